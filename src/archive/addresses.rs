//! The files of addresses in an archive. They are no part of the log: the newest one of each country is kept.

use super::ArchiveError;
use super::contents::own_epochs;
use super::names::{EpochName, path};
use super::pass::{Archiver, Between, Run};
use crate::geonames::{AddressFile, addresses_of};

impl Archiver {
    /// Archives the files of addresses that are in use, and removes those that they replace.
    pub(super) fn archive_addresses(&mut self, run: &mut Run<'_>) -> Result<(), ArchiveError> {
        let (log_uuid, epochs) = (run.manifest.log_uuid, own_epochs(run.manifest));
        let Some(present) = EpochName::present(run.manifest) else { return Ok(()) };
        for file in addresses_of(&self.files.list()?) {
            let name = file.name();
            let is_archived = epochs.iter().any(|epoch| {
                self.known_objects(log_uuid, *epoch).is_some_and(|known| known.addresses.contains_key(&file))
            });
            if is_archived {
                continue;
            }
            let Some(bytes) = self.file_bytes(&name)? else { continue };
            if self.copy(run, (&name, &path(log_uuid, present, &name)), bytes, Between::Log)? {
                self.objects(log_uuid, present).addresses.insert(file, bytes);
                run.passed.bytes += bytes;
                run.guide.written(run.passed.bytes);
                for epoch in &epochs {
                    self.remove_earlier_addresses(log_uuid, *epoch, file)?;
                }
            }
        }
        Ok(())
    }

    fn remove_earlier_addresses(
        &mut self,
        log_uuid: uuid::Uuid,
        epoch: EpochName,
        by: AddressFile,
    ) -> Result<(), ArchiveError> {
        let Some(known) = self.known_objects(log_uuid, epoch) else { return Ok(()) };
        let is_replaced = |file: &&AddressFile| file.country == by.country && file.time_ms < by.time_ms;
        for file in known.addresses.keys().filter(is_replaced).copied().collect::<Vec<_>>() {
            self.store().remove(&path(log_uuid, epoch, &file.name()))?;
            self.objects(log_uuid, epoch).addresses.remove(&file);
        }
        Ok(())
    }
}
