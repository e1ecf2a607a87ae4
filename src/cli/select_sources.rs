//! `select-sources`: from which sources a cart would be shipped. It only proposes: nothing is promised or shipped.

use super::addresses::address;
use super::context::Context;
use super::exit::{Exit, Failure};
use super::lists::{Names, stocks};
use super::output::{Text, table};
use super::parse::CartLine;
use super::questions::wrong_answer;
use super::server_connection::ServerConnection;
use crate::catalog::Degrees;
use clap::{Args, ValueEnum};
use serde_json::json;
use stockhold_protocol::query::{
    Destination, GeoAddress, GeoPoint, Query, QueryAnswer, SourcingAlgorithm, SourcingRequest, SourcingView,
};

/// `select-sources`
#[derive(Args, Debug)]
#[command(
    after_help = "Proposes how the units of a cart would be taken from the sources of a stock that are enabled, and from the items there that
are in stock. Promises have no source, so they are not subtracted: `ship` decides. Exit code 1 if the sources do not have everything.

priority          asks the sources in the order of their links
distance          asks the nearest source first; those without coordinates come last
minimize-sources  uses the fewest sources that have everything; if none do, it is like priority

Examples:
  stockhold select-sources --stock web-us --line BIKE-0001=2 --line HELM-0001=2
  stockhold select-sources --stock web-us --line BIKE-0001=2 --algorithm distance --to 40.7128,-74.0060
  stockhold select-sources --stock web-us --line BIKE-0001=2 --algorithm distance --address US,10013
  stockhold select-sources --stock web-us --line BIKE-0001=40 --algorithm minimize-sources --exclude shop-nyc --json"
)]
pub(super) struct SelectSourcesArguments {
    /// The stock, by name
    #[arg(long, value_name = "NAME")]
    stock: String,
    /// A line of the cart; repeat it for more lines
    #[arg(long = "line", required = true, value_name = "SKU=QTY")]
    lines: Vec<CartLine>,
    /// How sources are chosen
    #[arg(long, value_name = "ALGORITHM", default_value = "priority")]
    algorithm: Algorithm,
    /// The destination in degrees, for `distance`
    #[arg(long, value_name = "LAT,LON", value_parser = destination, allow_hyphen_values = true)]
    #[arg(conflicts_with = "address")]
    to: Option<GeoPoint>,
    /// The destination as an address, for `distance`: country, postcode, city, region; all but the country may be empty. The
    /// server looks it up among the addresses of `import geonames`
    #[arg(long, value_name = "COUNTRY,POSTCODE,CITY,REGION", value_parser = address)]
    address: Option<GeoAddress>,
    /// Only this source; repeat it for more. They are asked in the given order
    #[arg(long = "source", value_name = "CODE")]
    sources: Vec<String>,
    /// Not this source; repeat it for more
    #[arg(long = "exclude", value_name = "CODE")]
    excluded: Vec<String>,
    /// The most sources that may be used
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    max_sources: Option<u32>,
}

/// An algorithm by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Algorithm {
    /// By the priority of the links
    Priority,
    /// The nearest first
    Distance,
    /// The fewest sources
    MinimizeSources,
}

impl Algorithm {
    const fn wire(self) -> SourcingAlgorithm {
        match self {
            Self::Priority => SourcingAlgorithm::Priority,
            Self::Distance => SourcingAlgorithm::Distance,
            Self::MinimizeSources => SourcingAlgorithm::MinimizeSources,
        }
    }
}

/// Parses a point such as `40.7128,-74.0060`.
pub(super) fn destination(text: &str) -> Result<GeoPoint, String> {
    let (latitude, longitude) = text
        .split_once(',')
        .ok_or_else(|| "write latitude and longitude, such as 40.7128,-74.0060".to_owned())?;
    let micro = |text: &str, most: i32| match text.trim().parse() {
        Ok(Degrees(micro)) if micro.unsigned_abs() <= most.unsigned_abs() => Ok(micro),
        Ok(_) => {
            Err(format!("{text} is out of range: a latitude is within 90, a longitude within 180 degrees"))
        }
        Err(error) => Err(format!("{text} {error}")),
    };
    Ok(GeoPoint {
        latitude_micro: micro(latitude, 90_000_000)?,
        longitude_micro: micro(longitude, 180_000_000)?,
    })
}

pub(super) fn run(context: Context<'_>, arguments: &SelectSourcesArguments) -> Result<Exit, Failure> {
    let destination = destination_of(arguments)?;
    let mut server = context.server()?;
    let lines = arguments.lines.iter().map(|line| Ok((server.sku(&line.sku)?, line.quantity)));
    let lines = lines.collect::<Result<_, Failure>>()?;
    let mut numbers =
        |codes: &[String]| codes.iter().map(|code| server.source(code)).collect::<Result<Vec<_>, Failure>>();
    let (sources, excluded) = (numbers(&arguments.sources)?, numbers(&arguments.excluded)?);
    let request = SourcingRequest {
        stock: server.stock(&arguments.stock)?,
        algorithm: arguments.algorithm.wire(),
        destination,
        lines,
        sources,
        excluded,
        max_sources: arguments.max_sources.unwrap_or(0),
    };
    check_links(&mut server, arguments, &request)?;
    let answer = server.query_or_why_not(&Query::Sourcing(Box::new(request)))?;
    if let QueryAnswer::Failed(sentence) = answer {
        return Err(Failure::usage(sentence));
    }
    let QueryAnswer::Sourcing(view) = answer else { return Err(wrong_answer()) };
    let names = Names::load(&mut server)?;
    let mut rows = vec![["source", "sku", "take", "on hand", "km"].map(str::to_owned).to_vec()];
    let mut documents = Vec::new();
    for item in &view.items {
        let (source, sku) = (names.source(item.source), server.sku_name(item.sku)?);
        let distance = item.distance_m.map_or_else(String::new, |meters| meters.div_ceil(1_000).to_string());
        documents.push(json!({
            "source": source, "sku": sku, "take": item.take.to_string(), "on_hand": item.on_hand.to_string(),
            "distance_m": item.distance_m,
        }));
        rows.push(vec![source, sku, item.take.to_string(), item.on_hand.to_string(), distance]);
    }
    let document = json!({
        "op": view.op, "algorithm": arguments.algorithm.wire().name(), "shippable": view.is_shippable,
        "minimal": view.is_minimal, "items": documents,
        "destination": view.destination.map(|point| {
            json!({"latitude_micro": point.latitude_micro, "longitude_micro": point.longitude_micro})
        }),
    });
    let mut text = text(&rows, &view, arguments.algorithm);
    if arguments.address.is_some() && view.destination.is_none() {
        text.push_str(
            "\nthe server does not know this address, so the sources are in the order of priorities",
        );
    }
    context.output.result(&text, &document)?;
    Ok(if view.is_shippable { Exit::Ok } else { Exit::Refused })
}

fn destination_of(arguments: &SelectSourcesArguments) -> Result<Option<Destination>, Failure> {
    let destination = match (&arguments.to, &arguments.address) {
        (Some(point), _) => Some(Destination::Point(*point)),
        (None, Some(address)) => Some(Destination::Address(address.clone())),
        (None, None) => None,
    };
    if destination.is_none() && arguments.algorithm == Algorithm::Distance {
        return Err(Failure::usage(
            "the algorithm distance needs a destination: --to <LAT,LON> or --address <COUNTRY,POSTCODE,CITY,REGION>",
        ));
    }
    Ok(destination)
}

/// Names a source that the stock does not sell from, or that is named twice. The server would say its number.
fn check_links(
    server: &mut ServerConnection,
    arguments: &SelectSourcesArguments,
    request: &SourcingRequest,
) -> Result<(), Failure> {
    let stocks = if request.sources.is_empty() { Vec::new() } else { stocks(server)? };
    let Some(stock) = stocks.iter().find(|stock| stock.id == request.stock) else { return Ok(()) };
    for (at, (source, code)) in request.sources.iter().zip(&arguments.sources).enumerate() {
        if !stock.links.iter().any(|(linked, _)| linked == source) {
            return Err(Failure::usage(format!("source {code:?} is not linked to stock {:?}", stock.name)));
        }
        if request.sources[..at].contains(source) {
            return Err(Failure::usage(format!("source {code:?} is named twice")));
        }
    }
    Ok(())
}

fn text(rows: &[Vec<String>], view: &SourcingView, algorithm: Algorithm) -> String {
    let mut text = Text::default();
    text.line(table(rows).trim_end());
    text.line(match (view.is_shippable, algorithm, view.is_minimal) {
        (false, ..) => "not shippable: the sources do not have everything",
        (true, Algorithm::MinimizeSources, false) => {
            "shippable; the search was ended at its limit, so fewer sources may do"
        }
        (true, ..) => "shippable",
    });
    text.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_a_point_on_the_earth() {
        // Proves the form, the signs and both ranges.
        let point = destination("40.7128, -74.006").unwrap();
        assert_eq!((point.latitude_micro, point.longitude_micro), (40_712_800, -74_006_000));
        for wrong in ["40.7", "90.000001,0", "0,-180.000001", "north,1", ""] {
            assert!(destination(wrong).is_err(), "{wrong}");
        }
    }
}
