//! Tests of reading and writing catalogs, and of the places of problems.

use super::super::{Backorders, Kind};
use super::*;
use stockhold_protocol::command::{Change, SettingScope};

const GOOD: &str = r#"
[settings]
notify_stock_qty = 2

[[source]]
code = "east"
name = "East"
country = "US"
postcode = "07114"
latitude = "40.7"
longitude = "-74.1"
contact = { email = "east@example.com" }

[[source]]
code = "shop"
name = "Shop"
country = "US"
postcode = "10001"
pickup = true

[[stock]]
name = "web"
sources = ["east", "shop"]
channels = ["website/us"]

[[stock]]
name = "till"
link = [{ source = "shop", priority = 7 }]

[[sku]]
sku = "CABLE"
decimals = true
settings = { min_sale_qty = "0.5", backorders = "allow_and_notify", min_qty = -5 }

[sku.stocks.web]
quota = 10
settings = { min_qty = 3 }

[[sku]]
sku = "PLAN"
kind = "virtual"
settings = { manage_stock = false }
"#;

fn parse(text: &str) -> Result<CatalogFile, CatalogError> {
    CatalogFile::parse(FilePath::new("shop.toml"), Format::Toml, text.to_owned())
}

fn problems(format: Format, text: &str) -> Vec<Problem> {
    match CatalogFile::parse(FilePath::new("shop"), format, text.to_owned()) {
        Err(CatalogError::Problems { problems, .. }) => problems,
        other => panic!("expected problems, got {other:?}"),
    }
}

#[test]
fn a_catalog_survives_both_formats() {
    // Proves that an import reads what an export writes.
    let catalog = parse(GOOD).unwrap().catalog;
    assert_eq!(catalog.sources[0].latitude.unwrap().0, 40_700_000);
    assert_eq!(catalog.skus[1].kind, Kind::Virtual);
    assert_eq!(catalog.skus[0].settings.backorders, Some(Backorders::AllowAndNotify));
    for format in [Format::Toml, Format::Json] {
        let text = catalog.to_text(format).unwrap();
        let again = CatalogFile::parse(FilePath::new("again"), format, text).unwrap();
        assert_eq!(again.catalog, catalog);
    }
}

#[test]
fn links_get_their_places_as_priorities() {
    // Proves that a list of sources means priorities 1, 2, … and that explicit links keep theirs.
    let catalog = parse(GOOD).unwrap().catalog;
    let links: Vec<(String, u16)> =
        catalog.stocks.iter().flat_map(|stock| stock.all_links().map(|l| (l.source, l.priority))).collect();
    assert_eq!(links, [("east".to_owned(), 1), ("shop".to_owned(), 2), ("shop".to_owned(), 7)]);
}

#[test]
fn an_omitted_field_is_kept_on_the_server() {
    // Proves that a setting that the file omits is not reset to a default.
    let catalog = parse(GOOD).unwrap().catalog;
    let change = catalog.skus[0].settings.change(SettingScope::Global);
    assert_eq!(change.manage_stock, Change::Keep);
    assert!(matches!(change.min_qty, Change::Set(quantity) if quantity.raw() == -50_000));
}

#[test]
fn problems_name_file_line_and_field() {
    // Proves that every kind of problem has its place, in the order of the file.
    let bad = GOOD
        .replace("postcode = \"07114\"", "postcode = \"\"")
        .replace("[\"website/us\"]", "[\"website\"]")
        .replace("quota = 10", "quota = -1")
        .replace("sku = \"PLAN\"", "sku = \"CABLE\"");
    let found: Vec<String> = problems(Format::Toml, &bad).iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "shop:9: source[0].postcode: must not be empty",
            "shop:24: stock[0].channels[0]: must be written as type/code, such as website/us",
            "shop:36: sku[0].stocks.web.quota: must not be negative",
            "shop:40: sku[1].sku: \"CABLE\" is defined already, at sku[0].sku",
        ]
    );
}

#[test]
fn text_that_cannot_be_read_names_its_line() {
    // Proves that unknown fields, wrong types and broken syntax are reported with their line in both formats.
    let unknown = GOOD.replace("pickup = true", "pickups = true");
    let [problem] = problems(Format::Toml, &unknown).try_into().unwrap();
    assert_eq!(problem.line, Some(19));
    assert!(problem.message.contains("unknown field `pickups`"), "{problem}");
    let float = GOOD.replace("quota = 10", "quota = 0.5");
    let [problem] = problems(Format::Toml, &float).try_into().unwrap();
    assert_eq!(problem.line, Some(36));
    assert!(problem.message.contains("in quotes"), "{problem}");
    let json = "{\n\"sources\": [\n{\"code\": 5}]}";
    let [problem] = problems(Format::Json, json).try_into().unwrap();
    assert_eq!(problem.line, Some(3));
    let json = "{\n\"stocks\": [\n{\"name\": \"a\"},\n{\"name\": \"a\"}]}";
    let [problem] = problems(Format::Json, json).try_into().unwrap();
    assert_eq!((problem.line, problem.field.as_str()), (Some(4), "stock[1].name"));
}

#[test]
fn all_problems_come_at_once() {
    // Proves that unreadable fields of every table are told together with wrong values and repeated names, in both formats, and
    // that problems beyond the bound are counted.
    let bad = GOOD
        .replace("pickup = true", "pickups = true")
        .replace("code = \"east\"\n", "")
        .replace("min_qty = 3", "min_qty = 0.3")
        .replace("quota = 10", "quota = -1")
        .replace("notify_stock_qty = 2", "notify = 2")
        .replace("priority = 7", "priority = \"high\"")
        .replace("kind = \"virtual\"", "kind = \"none\"")
        .replace("[\"website/us\"]", "[\"website\"]");
    let told = |problems: Vec<Problem>| -> Vec<String> {
        problems.into_iter().map(|one| format!("{} {}", one.line.unwrap(), one.field)).collect()
    };
    let found = told(problems(Format::Toml, &bad));
    let expected = [
        "3 settings.notify",
        "5 source[0]",
        "18 source[1].pickups",
        "23 stock[0].channels[0]",
        "27 stock[1].link[0]",
        "35 sku[0].stocks.web.quota",
        "36 sku[0].stocks.web.settings.min_qty",
        "40 sku[1].kind",
    ];
    assert_eq!(found, expected);
    let json = toml::from_str::<serde_json::Value>(&bad).unwrap().to_string();
    let mut fields = told(problems(Format::Json, &json));
    for field in &mut fields {
        field.replace_range(..field.find(' ').unwrap(), "");
    }
    let mut expected = expected.map(|one| one[one.find(' ').unwrap()..].to_owned());
    fields.sort();
    expected.sort();
    assert_eq!(fields, expected);
    let many = "[[sku]]\nsku = 1\n".repeat(130);
    let error = CatalogFile::parse(FilePath::new("shop"), Format::Toml, many).unwrap_err().to_string();
    assert_eq!((error.lines().count(), error.ends_with("\n… and 30 more errors")), (101, true), "{error}");
}

#[test]
fn a_file_must_tell_its_format() {
    // Proves that the format of a file is never guessed.
    assert!(matches!(
        CatalogFile::read(FilePath::new("catalog.yaml")),
        Err(CatalogError::UnknownFormat { .. })
    ));
    assert!(matches!(CatalogFile::read(FilePath::new("nowhere/x.toml")), Err(CatalogError::Read { .. })));
}
