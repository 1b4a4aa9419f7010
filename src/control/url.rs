//! Text as parts of an address: what somebody types stays within its place in a path or a query.

use std::fmt::Write as _;

/// A value for a query or a part of a path.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// A path with what is asked of it; what is empty is left out.
#[must_use]
pub fn query(path: &str, values: &[(&str, &str)]) -> String {
    let pairs = values.iter().filter(|(_, value)| !value.is_empty());
    let pairs: Vec<_> = pairs.map(|(name, value)| format!("{name}={}", encode(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_somebody_types_leaves_its_place_in_a_query() {
        assert_eq!(query("/v1/x", &[("a", ""), ("b", "")]), "/v1/x");
        assert_eq!(
            query("/x", &[("a", "1&b=2 #/?%é"), ("c", "d")]),
            "/x?a=1%26b%3D2%20%23%2F%3F%25%C3%A9&c=d"
        );
    }
}
