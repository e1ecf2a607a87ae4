//! The core record: all values of the state that exist once.

use crate::config::Configuration;
use crate::ledger::catalog::Catalog;
use crate::ledger::hold_time::Offsets;
use stockhold_protocol::fields::{Tagged, Unknown, decode_fields_with, encode_fields, encode_fields_with};
use stockhold_protocol::limits::FEATURE_LEVEL;
use stockhold_protocol::{BadField, Timestamp};
use wincode::{SchemaRead, SchemaWrite};

/// The last applied batch of a writer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub(crate) struct WriterRow {
    pub(crate) writer: u64,
    pub(crate) session: u64,
    pub(crate) number: u64,
}

/// The contents of the core record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Core {
    pub(crate) rules_version: u32,
    /// The highest feature level of a program that has written to the log.
    pub(crate) feature_level: u32,
    /// The epoch of the log.
    pub(crate) epoch: u64,
    pub(crate) op: u64,
    pub(crate) time: Timestamp,
    /// It is increased when a name is given to another thing.
    pub(crate) name_generation: u32,
    pub(crate) configuration: Configuration,
    pub(crate) offsets: Offsets,
    /// Outcomes of generations below this number are not kept. Multiplied by the period of a generation it
    /// is the horizon.
    pub(crate) horizon: u64,
    pub(crate) writers: Vec<WriterRow>,
    /// In an epoch that began with a restore: the old op of the last readmitted command, or the last op before the
    /// epoch.
    pub(crate) readmitted: Option<u64>,
    /// The highest version of a source item that was removed; 0 = none was. New ones continue from it.
    pub(crate) removed_version: u32,
    /// Optional fields that a later release wrote, of the core and of its configuration. They are written
    /// back unchanged.
    pub(crate) kept: [Vec<u8>; 2],
}

impl Core {
    /// Appends the fields of the record. The values of two of them are in the catalog.
    pub(crate) fn put(&self, catalog: &Catalog, out: &mut Vec<u8>) -> Result<(), BadField> {
        let [kept, configuration_kept] = &self.kept;
        let mut configuration = Vec::new();
        encode_fields(&self.configuration, &mut configuration)?;
        configuration.extend_from_slice(configuration_kept);
        encode_fields_with(out, |fields| {
            fields.value(1, &self.rules_version)?;
            fields.value(2, &self.feature_level)?;
            fields.value(3, &self.epoch)?;
            fields.value(4, &self.op)?;
            fields.value(5, &self.time)?;
            fields.value(6, &self.name_generation)?;
            fields.bytes(7, &configuration)?;
            fields.nested(8, &self.offsets)?;
            fields.value(9, &self.horizon)?;
            fields.value(10, &catalog.links_made)?;
            fields.value(11, &self.writers)?;
            fields.nested(12, &catalog.global)?;
            fields.option(13, &self.readmitted)?;
            fields.value(14, &self.removed_version)
        })?;
        out.extend_from_slice(kept);
        Ok(())
    }

    /// Reads the record. The version of the rules is the first field, because the meaning of the others
    /// depends on it.
    pub(crate) fn get(bytes: &[u8], catalog: &mut Catalog) -> Result<Self, BadField> {
        let (mut core, kept) = decode_fields_with(bytes, Unknown::Keep, |fields| {
            let rules_version = fields.value(1, "core.rules_version")?;
            let feature_level = fields.value(2, "core.feature_level")?;
            let (epoch, op) = (fields.value(3, "core.epoch")?, fields.value(4, "core.op")?);
            let (time, name_generation) =
                (fields.value(5, "core.time")?, fields.value(6, "core.name_generation")?);
            let configuration = fields.bytes(7)?.ok_or(BadField::new("core.configuration", "is missing"))?;
            let (configuration, configuration_kept) =
                decode_fields_with(configuration, Unknown::Keep, Configuration::get_fields)?;
            let offsets = fields.nested(8, "core.clock")?;
            let horizon = fields.value(9, "core.horizon")?;
            catalog.links_made = fields.value(10, "core.links_made")?;
            let writers = fields.value(11, "core.writers")?;
            catalog.global = fields.nested(12, "core.settings")?;
            let readmitted = fields.option(13, "core.readmitted")?;
            let removed_version = fields.value(14, "core.removed_version")?;
            Ok(Self {
                rules_version,
                feature_level,
                epoch,
                op,
                time,
                name_generation,
                configuration,
                offsets,
                horizon,
                writers,
                readmitted,
                removed_version,
                kept: [Vec::new(), configuration_kept],
            })
        })?;
        if core.feature_level > FEATURE_LEVEL {
            return Err(BadField::new("core.feature_level", "is that of a later release"));
        }
        if core.op == u64::MAX {
            return Err(BadField::new("core.op", "is the last possible number"));
        }
        core.kept[0] = kept;
        Ok(core)
    }
}
