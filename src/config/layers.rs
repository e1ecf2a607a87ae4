//! Merges the layers of a configuration and renders the result. It knows no option by name.

use std::fmt::Write as _;
use std::path::Path;

use toml::{Table, Value};

use super::{Config, ConfigError, OPTIONS, Overrides};

/// The prefix of environment variables. Two underscores separate section and key, and one stands for a dash.
const PREFIX: &str = "STOCKHOLD__";

impl Config {
    /// Reads and merges all layers and checks the result.
    ///
    /// # Errors
    /// [`ConfigError`] with the file, variable or option that is invalid.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        overrides: &Overrides,
    ) -> Result<Self, ConfigError> {
        let mut table = defaults()?;
        if let Some(path) = file {
            merge(&mut table, read_file(path)?);
        }
        for (name, value) in environment {
            if let Some(option) = option_of_variable(&name) {
                set(&mut table, &option, &value, "the environment")?;
            }
        }
        for (option, value) in overrides {
            set(&mut table, option, value, "a flag")?;
        }
        let config: Self = table.try_into().map_err(|error| ConfigError::Merged(Box::new(error)))?;
        config.check()?;
        Ok(config)
    }

    /// The configuration as a file that [`Config::load`] can read, with the meaning of every option.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        let Ok(table) = Table::try_from(self) else { return out };
        let mut section = "";
        for (option, meaning) in OPTIONS {
            let (of_section, key) = option.split_once('.').unwrap_or(("", option));
            let value = lookup(&table, option);
            let Some(value) = value else { continue };
            if of_section != section {
                section = of_section;
                // Writing to a string cannot fail.
                writeln!(out, "\n[{section}]").ok();
            }
            writeln!(out, "# {meaning}\n{key} = {value}").ok();
        }
        out
    }
}

fn defaults() -> Result<Table, ConfigError> {
    // Defaults can always be serialized. An error of writing is reported as one of reading.
    let text = Config::default().render();
    text.parse().map_err(|error| ConfigError::Merged(Box::new(error)))
}

fn read_file(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
    let toml = |source| ConfigError::Toml { path: path.to_owned(), source: Box::new(source) };
    // The whole file is parsed first, so that an error is reported with its line.
    toml::from_str::<Config>(&text).map_err(toml)?;
    text.parse().map_err(toml)
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn option_of_variable(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?;
    Some(rest.to_ascii_lowercase().replace("__", ".").replace('_', "-"))
}

fn lookup<'a>(table: &'a Table, option: &str) -> Option<&'a Value> {
    match option.split_once('.') {
        Some((section, key)) => table.get(section)?.as_table()?.get(key),
        None => table.get(option),
    }
}

/// Sets an option from text. Its type is that of its default.
fn set(table: &mut Table, option: &str, text: &str, origin: &'static str) -> Result<(), ConfigError> {
    let unknown = || ConfigError::Unknown { option: option.to_owned(), origin };
    let (section, key) = option.split_once('.').unwrap_or(("", option));
    let slot = if section.is_empty() {
        table.get_mut(key)
    } else {
        table.get_mut(section).and_then(Value::as_table_mut).and_then(|section| section.get_mut(key))
    };
    let slot = slot.ok_or_else(unknown)?;
    let wrong = |expected| ConfigError::Value { option: option.to_owned(), expected, value: text.to_owned() };
    *slot = match slot {
        Value::String(_) => Value::String(text.to_owned()),
        Value::Integer(_) => {
            Value::Integer(text.replace('_', "").parse().map_err(|_| wrong("a whole number"))?)
        }
        Value::Boolean(_) => Value::Boolean(text.parse().map_err(|_| wrong("true or false"))?),
        Value::Float(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => return Err(unknown()),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Config::load(None, variables.iter().map(own), &flags.iter().map(own).collect())
    }

    #[test]
    fn what_is_printed_reads_back_and_every_option_has_a_meaning() {
        // Proves that the list of options and the structs have the same options.
        let rendered = Config::default().render();
        let config: Config = toml::from_str(&rendered).unwrap();
        assert_eq!(config, Config::default());
        let table = Table::try_from(Config::default()).unwrap();
        let options: usize = table.values().map(|value| value.as_table().map_or(1, Table::len)).sum();
        assert_eq!(options, OPTIONS.len(), "an option without a meaning, or a meaning without an option");
        assert!(config.check().is_ok());
    }

    #[test]
    fn later_layers_win_and_unknown_options_are_refused() {
        // Proves the precedence of file, environment and flags, and that unknown options and wrong types are refused.
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("server.toml");
        std::fs::write(&file, "listen = \"127.0.0.1:1\"\n[limits]\nconnections = 7\nin-flight = 8\n")
            .unwrap();
        let variables = [
            ("STOCKHOLD__LIMITS__IN_FLIGHT".to_owned(), "9".to_owned()),
            ("HOME".to_owned(), "x".to_owned()),
        ];
        let flags = Overrides::from([("listen".to_owned(), "127.0.0.1:2".to_owned())]);
        let config = Config::load(Some(&file), variables.into_iter(), &flags).unwrap();
        assert_eq!((config.limits.connections, config.limits.in_flight, config.listen.port()), (7, 9, 2));

        std::fs::write(&file, "[limits]\nconections = 7\n").unwrap();
        assert!(matches!(Config::load(Some(&file), [].into_iter(), &flags), Err(ConfigError::Toml { .. })));
        assert!(matches!(load(&[("STOCKHOLD__LIMITS__X", "1")], &[]), Err(ConfigError::Unknown { .. })));
        assert!(matches!(load(&[], &[("limits", "1")]), Err(ConfigError::Unknown { .. })));
        assert!(matches!(load(&[], &[("limits.connections", "many")]), Err(ConfigError::Value { .. })));
        assert!(matches!(load(&[], &[("listen", "nowhere")]), Err(ConfigError::Merged(_))));
    }

    #[test]
    fn ranges_are_checked_at_their_limits() {
        // Proves a range at its limit and one below, and that inconsistent sizes are refused.
        assert!(load(&[], &[("log.batch-bytes", "66560")]).is_ok());
        assert!(matches!(load(&[], &[("log.batch-bytes", "66559")]), Err(ConfigError::Range { .. })));
        assert!(matches!(load(&[], &[("log.segment-bytes", "1048576")]), Err(ConfigError::Range { .. })));
        assert!(load(&[], &[("log.segment-bytes", "1_048_576"), ("log.batch-bytes", "131072")]).is_ok());
        assert!(matches!(load(&[], &[("limits.connections", "0")]), Err(ConfigError::Range { .. })));
    }
}
