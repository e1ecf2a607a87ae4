//! What can be promised: how stocks share sources ([`sharing`]), one SKU in one group of stocks ([`cluster`]), the settings in force
//! ([`settings`]), and the way from a SKU to all of these ([`sku_entry`]). It knows no record but those of settings.

pub(crate) mod cluster;
pub(crate) mod settings;
pub mod sharing;
pub(crate) mod sku_entry;
