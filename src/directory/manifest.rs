//! The manifest: the identity of the log, its epochs, the skipped ops and the machine's genesis. It is a small file
//! that is replaced as a whole. It does not list segments and snapshots.

use stockhold_protocol::command::EpochStart;
use stockhold_protocol::limits::FEATURE_LEVEL;
use uuid::Uuid;

use crate::snapshot::LogPoint;
use crate::storage::checksum::checksum;
use crate::storage::layout::{CHECKSUM_BYTES, FORMAT_VERSION, manifest};
use crate::storage::width::{array_at, index, is_zero, length32, u16_at, u32_at, u64_at};

/// Why an epoch began. The numbers are on disk, so they are append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochReason {
    /// The directory was formatted.
    Format,
    /// The directory was restored from a backup.
    Restore,
    /// An op was skipped.
    Skip,
    /// Answered commands may have been lost in an unclean stop with `durability = interval`.
    UncleanStop,
    /// The log was cut after a position.
    Truncate,
}

impl EpochReason {
    /// The number on disk.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Format => 1,
            Self::Restore => 2,
            Self::Skip => 3,
            Self::UncleanStop => 4,
            Self::Truncate => 5,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Self::Format, Self::Restore, Self::Skip, Self::UncleanStop, Self::Truncate]
            .into_iter()
            .find(|reason| reason.code() == code)
    }
}

/// An epoch of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Its number.
    pub epoch: u64,
    /// The first log position that may belong to it.
    pub first_position: u64,
    /// When it began.
    pub time_ms: u64,
    /// Why it began.
    pub reason: EpochReason,
}

/// An op that recovery skips.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// The op.
    pub op: u64,
    /// The epoch that began with the skip.
    pub epoch: u64,
    /// When the operator requested it.
    pub time_ms: u64,
    /// The reason that the operator gave.
    pub reason: String,
}

/// The manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The feature level of the program that wrote the directory last. The directory contains nothing of a later level.
    pub feature_level: u32,
    /// The UUID of the log.
    pub log_uuid: Uuid,
    /// When the directory was formatted.
    pub created_ms: u64,
    /// The point before the first record of this log: zeros, or the point that was restored to.
    pub base: LogPoint,
    /// All epochs, oldest first; never empty. The last one is the current epoch.
    pub epochs: Vec<Epoch>,
    /// All skips, in the order of their requests.
    pub skips: Vec<Skip>,
    /// The encoded genesis of the machine. It is not interpreted here.
    pub genesis: Vec<u8>,
}

/// Why a manifest is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestFault {
    /// It has the wrong length.
    #[error("it has {have} bytes and should have {need}")]
    Length {
        /// The length that was found.
        have: usize,
        /// The length that it should have.
        need: usize,
    },
    /// It does not begin with the magic number.
    #[error("it does not begin with the expected magic number")]
    Magic,
    /// It has another format version.
    #[error("its format version is {found}, but this program reads {FORMAT_VERSION}")]
    Version {
        /// The version that was found.
        found: u32,
    },
    /// A later release of the same format version has written it.
    #[error("its feature level is {found}, but this program knows levels up to {known} only")]
    FeatureLevel {
        /// The level that was found.
        found: u32,
        /// The highest level that this program knows.
        known: u32,
    },
    /// Its checksum does not match.
    #[error("its checksum does not match")]
    Checksum,
    /// A field has a value that is never written.
    #[error("the field at byte {offset} has a value that is never written")]
    Field {
        /// The offset of the field.
        offset: usize,
    },
}

impl Manifest {
    /// The current epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epochs.last().map_or(0, |epoch| epoch.epoch)
    }

    /// The epoch with which the directory began, if it was restored.
    #[must_use]
    pub fn restored(&self) -> Option<&Epoch> {
        let first_position = self.base.position + 1;
        let begins_here =
            |epoch: &&Epoch| epoch.reason == EpochReason::Restore && epoch.first_position == first_position;
        self.epochs.iter().rfind(begins_here)
    }

    /// The command that begins the current epoch.
    #[must_use]
    pub fn epoch_start(&self) -> EpochStart {
        let restored = self.epochs.last().is_some_and(|epoch| epoch.reason == EpochReason::Restore);
        EpochStart { epoch: self.epoch(), restored }
    }

    /// Encodes the manifest.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let texts: usize = self.skips.iter().map(|skip| manifest::SKIP_BYTES + skip.reason.len()).sum();
        let total = manifest::HEAD_BYTES
            + self.epochs.len() * manifest::EPOCH_BYTES
            + texts
            + self.genesis.len()
            + CHECKSUM_BYTES;
        let mut bytes = Vec::with_capacity(total);
        bytes.extend_from_slice(&manifest::MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&length32(total).to_le_bytes());
        bytes.extend_from_slice(self.log_uuid.as_bytes());
        bytes.extend_from_slice(&self.created_ms.to_le_bytes());
        bytes.extend_from_slice(&self.base.op.to_le_bytes());
        bytes.extend_from_slice(&self.epoch().to_le_bytes());
        bytes.extend_from_slice(&length32(self.epochs.len()).to_le_bytes());
        bytes.extend_from_slice(&length32(self.skips.len()).to_le_bytes());
        bytes.extend_from_slice(&length32(self.genesis.len()).to_le_bytes());
        bytes.extend_from_slice(&self.feature_level.to_le_bytes());
        bytes.extend_from_slice(&self.base.position.to_le_bytes());
        bytes.resize(manifest::HEAD_BYTES, 0);
        for epoch in &self.epochs {
            bytes.extend_from_slice(&epoch.epoch.to_le_bytes());
            bytes.extend_from_slice(&epoch.first_position.to_le_bytes());
            bytes.extend_from_slice(&epoch.time_ms.to_le_bytes());
            bytes.extend_from_slice(&[epoch.reason.code(), 0, 0, 0, 0, 0, 0, 0]);
        }
        for skip in &self.skips {
            bytes.extend_from_slice(&skip.op.to_le_bytes());
            bytes.extend_from_slice(&skip.epoch.to_le_bytes());
            bytes.extend_from_slice(&skip.time_ms.to_le_bytes());
            bytes.extend_from_slice(&length32(skip.reason.len()).to_le_bytes());
            bytes.extend_from_slice(&[0; 4]);
            bytes.extend_from_slice(skip.reason.as_bytes());
        }
        bytes.extend_from_slice(&self.genesis);
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        assert!(bytes.len() == total, "the length was computed from the same parts");
        bytes
    }

    /// Decodes the manifest.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestFault> {
        Self::decode_at_level(bytes, FEATURE_LEVEL)
    }

    /// Decodes the manifest as a program of feature level `known` does.
    pub fn decode_at_level(bytes: &[u8], known: u32) -> Result<Self, ManifestFault> {
        let least = manifest::HEAD_BYTES + CHECKSUM_BYTES;
        if bytes.len() < least {
            return Err(ManifestFault::Length { have: bytes.len(), need: least });
        }
        if !bytes.starts_with(&manifest::MAGIC) {
            return Err(ManifestFault::Magic);
        }
        let total = index(u64::from(u32_at(bytes, manifest::TOTAL_BYTES_AT)));
        if bytes.len() != total {
            return Err(ManifestFault::Length { have: bytes.len(), need: total });
        }
        let checksum_at = total - CHECKSUM_BYTES;
        if checksum(&bytes[..checksum_at]) != u64_at(bytes, checksum_at) {
            return Err(ManifestFault::Checksum);
        }
        let found = u32_at(bytes, manifest::VERSION_AT);
        if found != FORMAT_VERSION {
            return Err(ManifestFault::Version { found });
        }
        // The level is checked first, because a later release may have changed the meaning of anything else.
        let found = u32_at(bytes, manifest::FEATURE_LEVEL_AT);
        if found > known {
            return Err(ManifestFault::FeatureLevel { found, known });
        }
        if found == 0 {
            return Err(ManifestFault::Field { offset: manifest::FEATURE_LEVEL_AT });
        }
        if !is_zero(&bytes[manifest::RESERVED_AT..manifest::HEAD_BYTES]) {
            return Err(ManifestFault::Field { offset: manifest::RESERVED_AT });
        }
        Self::decode_parts(bytes, checksum_at)
    }

    fn decode_parts(bytes: &[u8], parts_end: usize) -> Result<Self, ManifestFault> {
        let count = |at: usize, max: usize| {
            let count = index(u64::from(u32_at(bytes, at)));
            if count <= max { Ok(count) } else { Err(ManifestFault::Field { offset: at }) }
        };
        let mut at = manifest::HEAD_BYTES;
        let mut take = |length: usize| {
            let part = at..at + length;
            if part.end > parts_end {
                return Err(ManifestFault::Length { have: parts_end, need: part.end });
            }
            at = part.end;
            Ok(part)
        };
        let mut epochs = Vec::new();
        for _ in 0..count(manifest::EPOCHS_AT, manifest::EPOCHS_MAX)? {
            let part = take(manifest::EPOCH_BYTES)?;
            epochs.push(decode_epoch(bytes, part.start)?);
        }
        let mut skips = Vec::new();
        for _ in 0..count(manifest::SKIPS_AT, manifest::SKIPS_MAX)? {
            let part = take(manifest::SKIP_BYTES)?;
            let text_bytes = usize::from(u16_at(bytes, part.start + 24));
            let text = take(text_bytes)?;
            skips.push(decode_skip(bytes, part.start, text)?);
        }
        let genesis = take(count(manifest::GENESIS_BYTES_AT, manifest::GENESIS_BYTES_MAX)?)?;
        let need = genesis.end;
        let decoded = Self {
            feature_level: u32_at(bytes, manifest::FEATURE_LEVEL_AT),
            log_uuid: Uuid::from_bytes(array_at(bytes, manifest::UUID_AT)),
            created_ms: u64_at(bytes, manifest::CREATED_MS_AT),
            base: LogPoint {
                position: u64_at(bytes, manifest::BASE_POSITION_AT),
                op: u64_at(bytes, manifest::BASE_OP_AT),
            },
            epochs,
            skips,
            genesis: bytes[genesis].to_vec(),
        };
        if need != parts_end {
            return Err(ManifestFault::Length { have: parts_end, need });
        }
        if decoded.base.op == u64::MAX || decoded.epoch() == u64::MAX {
            return Err(ManifestFault::Field { offset: manifest::BASE_OP_AT });
        }
        if decoded.base.position == u64::MAX {
            return Err(ManifestFault::Field { offset: manifest::BASE_POSITION_AT });
        }
        let rising = decoded.epochs.windows(2).all(|pair| pair[0].epoch < pair[1].epoch);
        if decoded.epochs.is_empty() || !rising || decoded.epoch() != u64_at(bytes, manifest::EPOCH_AT) {
            return Err(ManifestFault::Field { offset: manifest::EPOCH_AT });
        }
        Ok(decoded)
    }
}

fn decode_epoch(bytes: &[u8], at: usize) -> Result<Epoch, ManifestFault> {
    let reason = EpochReason::from_code(bytes[at + 24]).ok_or(ManifestFault::Field { offset: at + 24 })?;
    if !is_zero(&bytes[at + 25..at + manifest::EPOCH_BYTES]) {
        return Err(ManifestFault::Field { offset: at + 25 });
    }
    Ok(Epoch {
        epoch: u64_at(bytes, at),
        first_position: u64_at(bytes, at + 8),
        time_ms: u64_at(bytes, at + 16),
        reason,
    })
}

fn decode_skip(bytes: &[u8], at: usize, text: std::ops::Range<usize>) -> Result<Skip, ManifestFault> {
    if text.len() > manifest::SKIP_REASON_BYTES_MAX || !is_zero(&bytes[at + 26..at + manifest::SKIP_BYTES]) {
        return Err(ManifestFault::Field { offset: at + 24 });
    }
    let start = text.start;
    let reason = std::str::from_utf8(&bytes[text]).map_err(|_| ManifestFault::Field { offset: start })?;
    Ok(Skip {
        op: u64_at(bytes, at),
        epoch: u64_at(bytes, at + 8),
        time_ms: u64_at(bytes, at + 16),
        reason: reason.to_owned(),
    })
}
