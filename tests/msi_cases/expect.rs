//! Compares what a call gave with what a case expects.

use serde_json::Value;

/// Why a call gave nothing.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The shop refused it, as Magento would say it.
    Refused { status: u16, message: String },
    /// This program does not know the call, or not with these arguments.
    Unknown(String),
    /// The command line answered something that makes no sense here.
    Broken(String),
}

impl CallError {
    /// The error of a call that had to succeed.
    pub(crate) fn of(&self, call: &Value) -> String {
        format!("{} {}: {}", call["call"], call["args"], self.sentence())
    }

    fn sentence(&self) -> String {
        match self {
            Self::Refused { status, message } => format!("refused with {status}: {message}"),
            Self::Unknown(what) => format!("this program does not know {what}"),
            Self::Broken(what) => what.clone(),
        }
    }
}

/// Compares the result of a call. An expected object is a part of what is given, and an expected error is any refusal with
/// the given fields. `null` of a call that changes something means success; of any other call, that it found nothing.
pub(crate) fn compare(
    expected: &Value,
    is_change: bool,
    result: Result<Value, CallError>,
) -> Result<(), String> {
    let error = &expected["error"];
    match (error.is_null(), result) {
        (true, Ok(_)) if is_change && expected.is_null() => Ok(()),
        (true, Ok(given)) if is_part(expected, &given) => Ok(()),
        (true, Ok(given)) => Err(format!("expected {expected}, got {given}")),
        (false, Ok(given)) => Err(format!("expected the error {error}, got {given}")),
        (false, Err(CallError::Refused { status, message })) => {
            let given = serde_json::json!({"status": status, "message": message});
            if is_part(error, &given) {
                Ok(())
            } else {
                Err(format!("expected the error {error}, got {given}"))
            }
        }
        (_, Err(error)) => Err(error.sentence()),
    }
}

/// Whether what was decided is what the file says.
pub(crate) fn is_same(decided: &Value, expected: &Value) -> bool {
    is_part(decided, expected) && is_part(expected, decided)
}

/// Whether an expected value is given: numbers by their value, objects in part, lists as a whole.
fn is_part(expected: &Value, given: &Value) -> bool {
    match (expected, given) {
        (Value::Object(expected), Value::Object(given)) => {
            expected.iter().all(|(name, value)| given.get(name).is_some_and(|given| is_part(value, given)))
        }
        (Value::Array(expected), Value::Array(given)) => {
            expected.len() == given.len()
                && expected.iter().zip(given).all(|(one, other)| is_part(one, other))
        }
        (Value::Number(_), Value::Number(_) | Value::String(_)) => {
            let value = exact(expected);
            value.is_some() && value == exact(given)
        }
        _ => expected == given,
    }
}

/// A decimal number in ten-thousandths.
pub(crate) fn exact(value: &Value) -> Option<i64> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (sign, digits) = text.strip_prefix('-').map_or((1, text.as_str()), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if part.len() > 4 && part[4..].bytes().any(|digit| digit != b'0') {
        return None;
    }
    let part: i64 = format!("{part:0<4}").get(..4)?.parse().ok()?;
    Some(sign * (whole.parse::<i64>().ok()? * 10_000 + part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_wrong_answer_is_found() {
        // Proves that the comparison can fail: in a number, a field, a list, what was not found, and each kind of error.
        let refused = || CallError::Refused { status: 404, message: "gone".to_owned() };
        for (expected, given) in [
            (json!(8.5), json!("8.4999")),
            (json!(null), json!({"quantity": "0"})),
            (json!(true), json!(null)),
            (json!({"quantity": 1, "status": 1}), json!({"quantity": "1"})),
            (json!(["a", "b"]), json!(["b", "a"])),
            (json!([1]), json!([1, 1])),
            (json!({"error": {"status": 404}}), json!(1)),
        ] {
            assert!(compare(&expected, false, Ok(given.clone())).is_err(), "{expected} is not {given}");
        }
        for expected in
            [json!(null), json!({"error": {"status": 400}}), json!({"error": {"message": "here"}})]
        {
            assert!(compare(&expected, true, Err(refused())).is_err(), "{expected}");
        }
        let unknown = CallError::Unknown("a call".to_owned());
        assert!(compare(&json!({"error": {"status": 404}}), true, Err(unknown)).is_err());
        assert_eq!(compare(&json!(8.5), false, Ok(json!("8.5000"))), Ok(()));
        assert_eq!(compare(&json!(null), true, Ok(json!({"created": 2}))), Ok(()));
        assert_eq!(compare(&json!({"error": {"status": 404}}), true, Err(refused())), Ok(()));
    }
}
