//! The error of a link that would exceed a limit of a group. The limits are in the parent module.

use super::{FLOW_BUCKETS_MAX, FLOW_CLASSES_MAX, FLOW_LINKS_MAX, GROUP_LINKS_MAX, GROUP_MEMBERS_MAX};

/// Why a link was refused: the resulting group would be too large to be computed exactly. The group is
/// identified by its lowest stock id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupTooLarge {
    /// More stocks than [`GROUP_MEMBERS_MAX`].
    Stocks {
        /// Lowest stock id of the group.
        stock: u32,
        /// Stocks in the group.
        count: usize,
    },
    /// More sources than [`GROUP_MEMBERS_MAX`].
    Sources {
        /// Lowest stock id of the group.
        stock: u32,
        /// Sources in the group.
        count: usize,
    },
    /// More links than [`GROUP_LINKS_MAX`].
    Links {
        /// Lowest stock id of the group.
        stock: u32,
        /// Links in the group.
        count: usize,
    },
    /// The source sets are not nested, and there are too many classes, buckets or links for the flow form.
    Flow {
        /// Lowest stock id of the group.
        stock: u32,
        /// Classes of stocks (limit [`FLOW_CLASSES_MAX`]).
        classes: usize,
        /// Buckets of sources (limit [`FLOW_BUCKETS_MAX`]).
        buckets: usize,
        /// Links between them (limit [`FLOW_LINKS_MAX`]).
        links: usize,
    },
}

impl std::fmt::Display for GroupTooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Stocks { stock, count } => {
                write!(
                    f,
                    "the group of stock {stock} would have {count} stocks, the limit is {GROUP_MEMBERS_MAX}"
                )
            }
            Self::Sources { stock, count } => {
                write!(
                    f,
                    "the group of stock {stock} would have {count} sources, the limit is {GROUP_MEMBERS_MAX}"
                )
            }
            Self::Links { stock, count } => {
                write!(
                    f,
                    "the group of stock {stock} would have {count} links, the limit is {GROUP_LINKS_MAX}"
                )
            }
            Self::Flow { stock, classes, buckets, links } => write!(
                f,
                "the group of stock {stock} is not nested and would have {classes} different stocks, {buckets} \
                 different sources and {links} links; the limits are {FLOW_CLASSES_MAX}, {FLOW_BUCKETS_MAX} and \
                 {FLOW_LINKS_MAX}"
            ),
        }
    }
}

impl std::error::Error for GroupTooLarge {}
