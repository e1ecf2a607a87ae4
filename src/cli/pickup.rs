//! `pickup-locations`: the sources near a shopper at which goods may be collected.

use super::addresses::address;
use super::context::Context;
use super::exit::{Exit, Failure};
use super::lists::{sources, stocks};
use super::output::table;
use super::parse::ChannelName;
use super::questions::wrong_answer;
use super::select_sources::destination;
use super::server_connection::ServerConnection;
use clap::{ArgGroup, Args};
use serde_json::json;
use stockhold_protocol::StockId;
use stockhold_protocol::query::{
    Destination, GeoAddress, GeoPoint, LIST_MAX, PickupField, PickupOrder, PickupRequest, Query, QueryAnswer,
    SourceView,
};

/// The greatest distance on the earth, rounded up.
const RADIUS_MAX_M: u32 = 20_100_000;

/// `pickup-locations`
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("seller").required(true).args(["stock", "channel"])),
    group(ArgGroup::new("shopper").required(true).args(["near", "address"])),
    after_help = "Lists the sources that are linked to the stock, enabled, and open for pickup (`define source --pickup`), and that have coordinates.
Sources without coordinates are never found. The distance is that of a great circle.

Examples:
  stockhold pickup-locations --channel website/us --near 40.7128,-74.0060 --radius-km 25
  stockhold pickup-locations --channel website/us --address US,10013 --radius-km 25
  stockhold pickup-locations --stock web-us --near 40.7128,-74.0060 --radius-km 25 --sort city --sort name --json"
)]
pub(super) struct PickupArguments {
    /// The stock, by name
    #[arg(long, value_name = "NAME")]
    stock: Option<String>,
    /// The stock of this channel
    #[arg(long, value_name = "TYPE/CODE")]
    channel: Option<ChannelName>,
    /// Where the shopper is, in degrees
    #[arg(long, value_name = "LAT,LON", value_parser = destination, allow_hyphen_values = true)]
    near: Option<GeoPoint>,
    /// The address of the shopper: country, postcode, city, region; all but the country may be empty. The server looks it up
    /// among the addresses of `import geonames`; a source is near if it is near any of the rows that match
    #[arg(long, value_name = "COUNTRY,POSTCODE,CITY,REGION", value_parser = address)]
    address: Option<GeoAddress>,
    /// The greatest distance in kilometers
    #[arg(long, value_name = "KM", value_parser = radius)]
    radius_km: u32,
    /// What they are sorted by: distance, code, name, country, region, city, street or postcode, with `-` in front for the
    /// greatest first; repeat it for more. Among several, the distance counts first [default: distance]
    #[arg(long = "sort", value_name = "FIELD", value_parser = order, allow_hyphen_values = true)]
    order: Vec<PickupOrder>,
    /// How many to list
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(LIST_MAX)))]
    limit: u32,
}

/// Parses kilometers with up to three decimals, as meters.
fn radius(text: &str) -> Result<u32, String> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(part) || part.len() > 3 {
        return Err("give kilometers with up to three decimals, such as 12.5".to_owned());
    }
    let meters: Option<u32> = format!("{whole}{part:0<3}").parse().ok();
    meters.filter(|meters| *meters <= RADIUS_MAX_M).ok_or_else(|| "no two places are so far apart".to_owned())
}

/// The name of a field on the command line.
const fn field_name(field: PickupField) -> &'static str {
    match field {
        PickupField::Distance => "distance",
        PickupField::Code => "code",
        PickupField::Name => "name",
        PickupField::Country => "country",
        PickupField::Region => "region",
        PickupField::City => "city",
        PickupField::Street => "street",
        PickupField::Postcode => "postcode",
    }
}

fn order(text: &str) -> Result<PickupOrder, String> {
    let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
    let field = PickupField::ALL.into_iter().find(|field| field_name(*field) == name);
    let field =
        field.ok_or_else(|| format!("the fields are {}", PickupField::ALL.map(field_name).join(", ")))?;
    Ok(PickupOrder { field, descending })
}

pub(super) fn run(context: Context<'_>, arguments: &PickupArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let request = PickupRequest {
        stock: stock(&mut server, arguments)?,
        near: match (&arguments.near, &arguments.address) {
            (Some(point), _) => Destination::Point(*point),
            (None, address) => Destination::Address(address.clone().unwrap_or_default()),
        },
        radius_m: arguments.radius_km,
        order: arguments.order.clone(),
        limit: arguments.limit,
    };
    let answer = server.query_or_why_not(&Query::PickupLocations(Box::new(request)))?;
    if let QueryAnswer::Failed(sentence) = answer {
        return Err(Failure::usage(sentence));
    }
    let QueryAnswer::PickupLocations(view) = answer else { return Err(wrong_answer()) };
    let known = sources(&mut server)?;
    let mut rows =
        vec![["source", "name", "km", "country", "postcode", "city", "street"].map(str::to_owned).to_vec()];
    let mut documents = Vec::new();
    for location in &view.locations {
        let found = known.iter().find(|view| view.id == location.source);
        let SourceView { definition: source, .. } = found.ok_or_else(wrong_answer)?;
        let name = if source.pickup_name.is_empty() { &source.name } else { &source.pickup_name };
        let km = format!("{}.{}", location.distance_m / 1_000, location.distance_m % 1_000 / 100);
        let [contact, email, phone, fax] = &source.contact;
        documents.push(json!({
            "source": source.code, "name": name, "distance_m": location.distance_m,
            "description": source.pickup_description, "country": source.country, "region": source.region,
            "city": source.city, "street": source.street, "postcode": source.postcode,
            "contact": contact, "email": email, "phone": phone, "fax": fax,
            "latitude_micro": source.latitude_micro, "longitude_micro": source.longitude_micro,
        }));
        let texts =
            [&source.code, name, &km, &source.country, &source.postcode, &source.city, &source.street];
        rows.push(texts.map(|text| text.escape_debug().to_string()).to_vec());
    }
    let matched = view.matched;
    let text = if documents.is_empty() {
        "no pickup location is within the radius".to_owned()
    } else if documents.len() < usize::try_from(matched).unwrap_or(usize::MAX) {
        format!("{}\n{} of {matched}; --limit lists more", table(&rows).trim_end(), documents.len())
    } else {
        table(&rows)
    };
    context.output.result(&text, &json!({"op": view.op, "matched": matched, "locations": documents}))?;
    Ok(Exit::Ok)
}

/// The stock that supplies the shopper.
fn stock(server: &mut ServerConnection, arguments: &PickupArguments) -> Result<StockId, Failure> {
    let Some(channel) = &arguments.channel else {
        return server.stock(arguments.stock.as_deref().unwrap_or_default());
    };
    let stocks = stocks(server)?;
    let sells = |stock: &&stockhold_protocol::query::StockView| {
        stock.channels.iter().any(|(_, kind, code)| *kind == channel.kind && *code == channel.code)
    };
    let stock = stocks.iter().find(sells).map(|stock| stock.id);
    stock.ok_or_else(|| Failure::usage(format!("there is no channel \"{}/{}\"", channel.kind, channel.code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_radius_is_read_in_meters() {
        // Proves whole kilometers, decimals, the greatest radius, and what is refused.
        for (text, meters) in
            [("0", 0), ("12", 12_000), ("12.5", 12_500), ("0.001", 1), ("20100", RADIUS_MAX_M)]
        {
            assert_eq!(radius(text), Ok(meters), "{text}");
        }
        for wrong in ["", "-1", "1.2345", "1,5", "20100.001", "99999999999", ".5", "1.2.3"] {
            assert!(radius(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_order_is_a_field_and_a_direction() {
        // Proves both directions, and that other words are refused with the fields.
        assert_eq!(order("-city"), Ok(PickupOrder { field: PickupField::City, descending: true }));
        assert_eq!(order("distance"), Ok(PickupOrder { field: PickupField::Distance, descending: false }));
        assert!(order("colour").unwrap_err().contains("postcode"));
    }
}
