//! The layout constants of the wire, as PROTOCOL.md lists them. A test compares the two.

use crate::batch::{ACTOR_BYTES_MAX, BATCH_HEADER_BYTES, BATCH_VERSION, RUN_HEAD_BYTES};
use crate::command::Kind;
use crate::command::order::PART_BYTES;
use crate::frame::FrameKind;
use crate::limits::{
    BULK_LINES_MAX, BULK_PAIRS_MAX, COMMAND_BYTES_MAX, COMMAND_HEADER_BYTES, DETAIL_BYTES_MAX,
    EVENT_LINES_MAX, FRAME_BODY_BYTES_MAX, FRAME_COUNT_MAX, FRAME_HEADER_BYTES, LINE_QUANTITY_MAX, LINES_MAX,
    NAME_BYTES_MAX, OFFENDERS_MAX, OUTCOME_BYTES, PROTOCOL_VERSION, QUANTITY_MAX, QUANTITY_SCALE,
    REFERENCE_BYTES_MAX, SKU_BYTES_MAX, SKU_CHARACTERS_MAX, TEXT_BYTES_MAX,
};
use crate::line::{NARROW_BYTES, WIDE_BYTES};
use crate::outcome::Code;

/// Every constant that another implementation needs: one line with name and value each.
#[must_use]
pub fn constants() -> Vec<(String, i128)> {
    let size = |value: usize| i128::try_from(value).unwrap_or(i128::MAX);
    let mut lines = vec![
        ("protocol_version".to_owned(), i128::from(PROTOCOL_VERSION)),
        ("frame_header_bytes".to_owned(), size(FRAME_HEADER_BYTES)),
        ("frame_body_bytes_max".to_owned(), size(FRAME_BODY_BYTES_MAX)),
        ("frame_count_max".to_owned(), size(FRAME_COUNT_MAX)),
        ("command_header_bytes".to_owned(), size(COMMAND_HEADER_BYTES)),
        ("command_bytes_max".to_owned(), size(COMMAND_BYTES_MAX)),
        ("outcome_bytes".to_owned(), size(OUTCOME_BYTES)),
        ("detail_bytes_max".to_owned(), size(DETAIL_BYTES_MAX)),
        ("line_narrow_bytes".to_owned(), size(NARROW_BYTES)),
        ("line_wide_bytes".to_owned(), size(WIDE_BYTES)),
        ("refund_part_bytes".to_owned(), size(PART_BYTES)),
        ("lines_max".to_owned(), size(LINES_MAX)),
        ("event_lines_max".to_owned(), size(EVENT_LINES_MAX)),
        ("bulk_lines_max".to_owned(), size(BULK_LINES_MAX)),
        ("bulk_pairs_max".to_owned(), size(BULK_PAIRS_MAX)),
        ("offenders_max".to_owned(), size(OFFENDERS_MAX)),
        ("sku_characters_max".to_owned(), size(SKU_CHARACTERS_MAX)),
        ("sku_bytes_max".to_owned(), size(SKU_BYTES_MAX)),
        ("name_bytes_max".to_owned(), size(NAME_BYTES_MAX)),
        ("reference_bytes_max".to_owned(), size(REFERENCE_BYTES_MAX)),
        ("text_bytes_max".to_owned(), size(TEXT_BYTES_MAX)),
        ("quantity_scale".to_owned(), i128::from(QUANTITY_SCALE)),
        ("quantity_max".to_owned(), i128::from(QUANTITY_MAX)),
        ("line_quantity_max".to_owned(), i128::from(LINE_QUANTITY_MAX)),
        ("batch_version".to_owned(), i128::from(BATCH_VERSION)),
        ("batch_header_bytes".to_owned(), size(BATCH_HEADER_BYTES)),
        ("run_head_bytes".to_owned(), size(RUN_HEAD_BYTES)),
        ("actor_bytes_max".to_owned(), size(ACTOR_BYTES_MAX)),
    ];
    lines.extend(FrameKind::ALL.map(|kind| (format!("frame_kind.{kind:?}"), i128::from(kind.code()))));
    lines.extend(
        Kind::ALL.iter().map(|kind| (format!("command_kind.{}", kind.name()), i128::from(kind.code()))),
    );
    lines.extend(Code::ALL.iter().map(|code| (format!("code.{}", code.name()), i128::from(code.number()))));
    lines
}
