//! What can be promised: how stocks share sources ([`sharing`]), one SKU in one group of stocks
//! ([`cluster`]), the settings in force ([`settings`]), and the entry of a SKU that leads to its items and
//! clusters ([`sku_entry`]). The only records that it knows are those of settings.

pub(crate) mod cluster;
pub(crate) mod settings;
pub mod sharing;
pub(crate) mod sku_entry;
