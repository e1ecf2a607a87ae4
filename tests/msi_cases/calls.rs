//! The calls of cases, each as the commands and questions of the shop that answer it.

use super::catalog::{backorders, is_set, list};
use super::expect::{CallError, exact};
use super::orders;
use super::rows;
use super::shop::Shop;
use super::stock_work;
use super::text;
use serde_json::{Value, json};

pub(crate) type Answered = Result<Value, CallError>;

/// What Magento says of a SKU that does not exist.
const NO_SUCH_PRODUCT: &str =
    "The product that was requested doesn't exist. Verify the product and try again.";
const NOT_LINKED: &str = "No linked stock found";
/// The stock that gets the channels that no other stock has.
const DEFAULT_STOCK: u64 = 1;

/// Whether a call changes something.
pub(crate) fn is_change(call: &str) -> bool {
    let beginnings = ["set_", "save_", "place_", "cancel_", "create_", "decrement_", "import_", "bulk_"];
    beginnings.iter().any(|beginning| call.starts_with(beginning))
}

/// Runs a call.
pub(crate) fn run(shop: &mut Shop, call: &str, args: &Value) -> Answered {
    match call {
        "set_global_config" if args["can_subtract"] == 0 => {
            shop.can_subtract_is_off = true;
            Ok(Value::Null)
        }
        "set_global_config" => settings(shop, &[], args),
        "set_item_config" => item_settings(shop, args),
        "get_product_salable_qty" => salable_quantity(shop, text(args, "sku"), &stock(shop, args)?),
        "is_product_salable" => is_salable(shop, text(args, "sku"), &stock(shop, args)?),
        "are_products_salable" => are_salable(shop, args),
        "is_product_salable_for_requested_qty" => fits(shop, args),
        "get_stock_item_data" => stock_item(shop, args),
        "salable_by_stock" => salable_by_stock(shop, text(args, "sku")),
        "get_reservations_quantity" => promised(shop, args),
        "get_source_item" => source_item(shop, args),
        "get_source_item_quantity" => Ok(source_item(shop, args)?["quantity"].clone()),
        "decrement_source_items" => decrement(shop, args),
        "place_order" => orders::place(shop, args),
        "cancel_order" => orders::cancel(shop, args),
        "create_shipment" => orders::ship(shop, args),
        "create_invoice" => orders::invoice(shop, args),
        "create_credit_memo" => orders::refund(shop, args),
        "reservation_events" => orders::events(shop, args),
        "list_reservations" => orders::reservations(shop, args),
        "get_low_stock_config" => low_stock_threshold(shop, args),
        "low_stock_report" => low_stock(shop),
        "pickup_locations_in_radius" => pickup_locations(shop, args),
        "import_csv" => import(shop, args),
        "export_csv" => export(shop, args),
        "get_sources_by_priority" => sources_by_priority(shop, args),
        "resolve_stock" => resolve(shop, &format!("{}/{}", text(args, "type"), text(args, "code"))),
        "save_stock_channels" => save_channels(shop, args),
        "source_selection" => select_sources(shop, &stock(shop, args)?, args),
        "source_selection_over_sorted_sources" => over_sorted_sources(shop, args),
        other => rows::answer(shop, other, args)
            .or_else(|| stock_work::answer(shop, other, args))
            .unwrap_or_else(|| Err(CallError::Unknown(format!("the call {other}")))),
    }
}

/// The name of the stock that is meant.
pub(crate) fn stock(shop: &Shop, args: &Value) -> Result<String, CallError> {
    let number = args["stock_id"].as_u64().unwrap_or_default();
    let name = shop.stocks.get(&number).cloned();
    name.ok_or_else(|| CallError::Unknown(format!("the stock {}", args["stock_id"])))
}

fn settings(shop: &Shop, scope: &[&str], args: &Value) -> Answered {
    let mut words: Vec<String> = vec!["settings".to_owned()];
    words.extend(scope.iter().map(|word| (*word).to_owned()));
    for (name, value) in args.as_object().into_iter().flatten().filter(|(name, _)| *name != "sku") {
        let value = match name.as_str() {
            "manage_stock" | "enable_qty_increments" => is_set(value).to_string(),
            "backorders" => backorders(value).to_owned(),
            // No quantity is below a negative minimum, so nothing is checked.
            "min_sale_qty" if value.to_string().starts_with('-') => "0".to_owned(),
            "min_qty" | "min_sale_qty" | "max_sale_qty" | "qty_increments" | "notify_stock_qty" => {
                value.to_string()
            }
            other => return Err(CallError::Unknown(format!("the setting {other}"))),
        };
        words.extend([format!("--{}", name.replace('_', "-")), value]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    shop.call(&words).map(|_| Value::Null)
}

/// Whether fractions may be sold is a field of the SKU here, and a setting of the product in Magento.
fn item_settings(shop: &Shop, args: &Value) -> Answered {
    let sku = text(args, "sku");
    let mut rest = args.clone();
    if let Some(decimals) = rest.as_object_mut().and_then(|fields| fields.remove("is_qty_decimal")) {
        let flags = if is_set(&decimals) { &["--decimals"][..] } else { &[] };
        shop.call(&[&["define", "sku", sku], flags].concat())?;
    }
    let has_more = rest.as_object().is_some_and(|fields| fields.len() > 1);
    if has_more { settings(shop, &["--sku", sku], &rest) } else { Ok(Value::Null) }
}

/// The explanation of a SKU in a stock: its sources, promises and what is salable.
fn explain(shop: &Shop, sku: &str, stock: &str) -> Answered {
    let explained =
        shop.call(&["explain", sku, "--stock", stock, "--limit", "0"]).map_err(|error| match error {
            CallError::Refused { status: 404, .. } => refused(404, NO_SUCH_PRODUCT),
            CallError::Refused { .. } | CallError::Unknown(_) | CallError::Broken(_) => error,
        })?;
    Ok(explained["stocks"][0].clone())
}

pub(crate) fn refused(status: u16, message: &str) -> CallError {
    CallError::Refused { status, message: message.to_owned() }
}

/// What the server says is salable: a number, `unlimited` or `not assigned`.
fn cell(shop: &Shop, sku: &str, stock: &str) -> Result<String, CallError> {
    let answered = shop.call(&["salable", sku, "--stock", stock])?;
    Ok(text(&answered["salable"][0], "salable").to_owned())
}

fn is_positive(cell: &str) -> bool {
    cell == "unlimited" || exact(&cell.into()).is_some_and(|quantity| quantity > 0)
}

/// Magento's figure has a value where this server says that it does not matter, because backorders are unlimited or stock is
/// not managed: goods, less promises and threshold.
fn salable_quantity(shop: &Shop, sku: &str, stock: &str) -> Answered {
    let explained = explain(shop, sku, stock)?;
    let cell = cell(shop, sku, stock)?;
    if cell != "unlimited" {
        return Ok(if is_positive(&cell) { cell.into() } else { 0.into() });
    }
    let number = |field: &str| exact(&explained[field]).unwrap_or_default();
    Ok(decimal(number("goods") - number("promised") - number("kept_back")))
}

/// Ten-thousandths as a decimal number.
pub(crate) fn decimal(raw: i64) -> Value {
    let (sign, size) = (if raw < 0 { "-" } else { "" }, raw.unsigned_abs());
    format!("{sign}{}.{:04}", size / 10_000, size % 10_000).into()
}

fn is_salable(shop: &Shop, sku: &str, stock: &str) -> Answered {
    match cell(shop, sku, stock) {
        Ok(cell) => Ok(is_positive(&cell).into()),
        Err(CallError::Refused { status: 404, .. }) => Ok(false.into()),
        Err(error) => Err(error),
    }
}

fn are_salable(shop: &Shop, args: &Value) -> Answered {
    let stock = stock(shop, args)?;
    list(args, "skus")
        .map(|sku| {
            let is_salable = is_salable(shop, sku.as_str().unwrap_or_default(), &stock)?;
            Ok(json!({"sku": sku, "stock_id": args["stock_id"], "salable": is_salable}))
        })
        .collect()
}

/// Asks whether a quantity fits by reserving it, and gives it back.
fn fits(shop: &Shop, args: &Value) -> Answered {
    let (stock, line) = (stock(shop, args)?, format!("{}={}", text(args, "sku"), args["qty"]));
    match shop.call(&["reserve", "--stock", &stock, "--line", &line, "--ttl", "1m"]) {
        Ok(reserved) => {
            shop.call(&["release", text(&reserved, "id")])?;
            Ok(json!({"salable": true}))
        }
        Err(CallError::Refused { status: 400, .. }) => Ok(json!({"salable": false})),
        Err(CallError::Refused { .. }) => Err(refused(404, NO_SUCH_PRODUCT)),
        Err(error) => Err(error),
    }
}

fn stock_item(shop: &Shop, args: &Value) -> Answered {
    let (sku, stock) = (text(args, "sku"), stock(shop, args)?);
    let explained = match explain(shop, sku, &stock) {
        Err(CallError::Refused { status: 404, .. }) => return Ok(Value::Null),
        other => other?,
    };
    let has_item = |source: &Value| source["enabled"] == true && !source["on_hand"].is_null();
    if !list(&explained, "sources").any(has_item) {
        return Ok(Value::Null);
    }
    let is_salable = u8::from(is_positive(&cell(shop, sku, &stock)?));
    Ok(json!({"quantity": explained["goods"], "is_salable": is_salable}))
}

fn salable_by_stock(shop: &Shop, sku: &str) -> Answered {
    let mut rows = Vec::new();
    for (number, stock) in &shop.stocks {
        if cell(shop, sku, stock)? == "not assigned" {
            continue;
        }
        let is_managed = explain(shop, sku, stock)?["settings"]["manage_stock"] == true;
        let quantity = if is_managed { salable_quantity(shop, sku, stock)? } else { Value::Null };
        rows.push(
            json!({"stock_id": number, "stock_name": stock, "qty": quantity, "manage_stock": is_managed}),
        );
    }
    Ok(rows.into())
}

fn promised(shop: &Shop, args: &Value) -> Answered {
    let explained = explain(shop, text(args, "sku"), &stock(shop, args)?)?;
    Ok(decimal(-exact(&explained["promised"]).unwrap_or_default()))
}

pub(crate) fn source_item(shop: &Shop, args: &Value) -> Answered {
    let shown = shop.call(&["show", "sku", text(args, "sku")])?;
    let item = list(&shown, "items").find(|item| item["source"] == args["source_code"]);
    Ok(item.map_or(
        Value::Null,
        |item| json!({"quantity": item["on_hand"], "status": u8::from(item["in_stock"] == true)}),
    ))
}

fn decrement(shop: &Shop, args: &Value) -> Answered {
    for item in list(args, "items") {
        let delta = decimal(-exact(&item["qty"]).unwrap_or_default());
        let (source, sku) = (text(item, "source_code"), text(item, "sku"));
        shop.call(&[
            "adjust",
            "--source",
            source,
            "--sku",
            sku,
            "--delta",
            delta.as_str().unwrap_or_default(),
        ])?;
    }
    Ok(Value::Null)
}

/// The threshold below which an item is low.
fn low_stock_threshold(shop: &Shop, args: &Value) -> Answered {
    let words = ["show", "notify", "--source", text(args, "source_code"), "--sku", text(args, "sku")];
    Ok(shop.call(&words)?["notify_stock_qty"].clone())
}

fn low_stock(shop: &Shop) -> Answered {
    let listed = shop.call(&["list", "low-stock", "--limit", "1000"])?;
    let row = |item: &Value| json!({"source_code": item["source"], "sku": item["sku"], "quantity": item["on_hand"]});
    Ok(list(&listed, "items").map(row).collect())
}

/// The lines of a document, as flags.
pub(crate) fn lines(args: &Value) -> Vec<String> {
    list(args, "items")
        .flat_map(|item| ["--line".to_owned(), format!("{}={}", text(item, "sku"), item["qty"])])
        .collect()
}

/// Runs a command with a flag for each line.
pub(crate) fn with_lines(shop: &Shop, words: &[&str], args: &Value) -> Answered {
    let lines = lines(args);
    let words: Vec<&str> = words.iter().copied().chain(lines.iter().map(String::as_str)).collect();
    shop.call(&words)
}

fn import(shop: &Shop, args: &Value) -> Answered {
    let flags = ["--create-skus", "yes", "--no-mark", "--behavior", text(args, "behavior")];
    let imported = shop.import("rows.csv", text(args, "csv"), &flags)?;
    let file = &imported["files"][0];
    Ok(json!({"created": file["created"], "updated": file["updated"], "deleted": file["deleted"]}))
}

fn export(shop: &Shop, args: &Value) -> Answered {
    let without = |column: &Value| ["--without".to_owned(), column.as_str().unwrap_or_default().to_owned()];
    let mut flags: Vec<String> = list(args, "skip").flat_map(without).collect();
    for (name, value) in args["filter"].as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| is_set(value).to_string(), str::to_owned);
        let flag = match name.as_str() {
            "sku" => "--sku",
            "source_code" => "--source",
            "status" => "--in-stock",
            other => return Err(CallError::Unknown(format!("the filter {other}"))),
        };
        flags.extend([flag.to_owned(), value]);
    }
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    shop.export(&flags).map(Value::from)
}

fn sources_by_priority(shop: &Shop, args: &Value) -> Answered {
    let (stock, stocks) = (stock(shop, args)?, shop.call(&["list", "stocks"])?);
    let found = list(&stocks, "stocks").find(|view| view["name"] == stock.as_str());
    let sources: Vec<Value> =
        found.into_iter().flat_map(|view| list(view, "links").map(|link| link["source"].clone())).collect();
    Ok(sources.into())
}

/// The number of the stock of a channel.
fn resolve(shop: &Shop, channel: &str) -> Answered {
    let stocks = shop.call(&["list", "stocks"])?;
    let sells = |stock: &&Value| list(stock, "channels").any(|one| one == channel);
    let stock = list(&stocks, "stocks").find(sells).ok_or_else(|| refused(404, NOT_LINKED))?;
    let number =
        shop.stocks.iter().find(|(_, name)| stock["name"] == name.as_str()).map(|(number, _)| *number);
    Ok(number.into())
}

/// Gives a stock the channels that are listed. Those that it loses go to the default stock, as in Magento.
fn save_channels(shop: &Shop, args: &Value) -> Answered {
    let name = stock(shop, args)?;
    let channel = |pair: &Value| {
        format!("{}/{}", pair[0].as_str().unwrap_or_default(), pair[1].as_str().unwrap_or_default())
    };
    let wanted: Vec<String> = list(args, "channels").map(channel).collect();
    let stocks = shop.call(&["list", "stocks"])?;
    let default = stock(shop, &json!({"stock_id": DEFAULT_STOCK}))?;
    for lost in list(&stocks, "stocks")
        .filter(|stock| stock["name"] == name.as_str())
        .flat_map(|stock| list(stock, "channels"))
    {
        let lost = lost.as_str().unwrap_or_default();
        if !wanted.iter().any(|channel| channel == lost) {
            shop.call(&["channel", lost, "--stock", &default])?;
        }
    }
    for channel in &wanted {
        shop.call(&["channel", channel, "--stock", &name])?;
    }
    Ok(Value::Null)
}

/// Country, postcode, city and region of an address, as the command line takes them.
fn address(address: &Value) -> String {
    ["country", "postcode", "city", "region"].map(|part| address[part].as_str().unwrap_or_default()).join(",")
}

/// The codes of the pickup locations around an address. `DESC` has the farthest first.
fn pickup_locations(shop: &Shop, args: &Value) -> Answered {
    let (stock, address) = (stock(shop, args)?, address(args));
    let radius = args["radius_km"].to_string();
    let sort = if args["sort"] == "DESC" { "-distance" } else { "distance" };
    let words = ["--stock", &stock, "--address", &address, "--radius-km", &radius, "--sort", sort];
    let found = shop.call(&[&["pickup-locations"][..], &words].concat())?;
    Ok(list(&found, "locations").map(|location| location["source"].clone()).collect())
}

/// A selection for a stock. Exit code 1 only says that it is not shippable.
fn select_sources(shop: &Shop, stock: &str, args: &Value) -> Answered {
    let algorithm = args["algorithm"].as_str().unwrap_or("priority");
    let destination = &args["destination_address"];
    if algorithm == "distance" && destination.is_null() {
        return Err(refused(400, "No destination address was provided in the request"));
    }
    let algorithm = algorithm.replace('_', "-");
    let address = address(destination);
    let mut words = vec!["select-sources", "--stock", stock, "--algorithm", &algorithm];
    if !destination.is_null() {
        words.extend(["--address", &address]);
    }
    let sources = list(args, "sources").filter_map(Value::as_str);
    words.extend(sources.flat_map(|source| ["--source", source]));
    let lines = lines(args);
    words.extend(lines.iter().map(String::as_str));
    let selected = shop.ask(&words)?;
    let item = |item: &Value| {
        json!({
            "source_code": item["source"], "sku": item["sku"], "qty_to_deduct": item["take"],
            "qty_available": item["on_hand"],
        })
    };
    let items: Vec<Value> = list(&selected, "items").map(item).collect();
    Ok(json!({"shippable": selected["shippable"], "items": items}))
}

/// A selection among sources in a given order, for any stock that sells from all of them.
pub(crate) fn over_sorted_sources(shop: &Shop, args: &Value) -> Answered {
    let stocks = shop.call(&["list", "stocks"])?;
    let sells_from_all = |stock: &&Value| {
        let sells = |source: &Value| list(stock, "links").any(|link| link["source"] == *source);
        list(args, "sources").all(sells)
    };
    let stock = list(&stocks, "stocks").find(sells_from_all);
    let stock = stock.ok_or_else(|| CallError::Unknown("sources without a stock".to_owned()))?;
    select_sources(shop, text(stock, "name"), args)
}
