//! Keys of text, which every kind that has rows has.

use super::Key;

pub fn text(key: &Key) -> String {
    String::from_utf8(key.clone()).unwrap()
}

/// As SQL writes it.
pub fn literal(key: &Key) -> String {
    format!("'{}'", text(key).replace('\'', "''"))
}

/// A key that was asked for as hexadecimal text: a newline in a key is no new row.
pub fn from_hex(digits: &str) -> Key {
    let byte = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    digits.as_bytes().chunks(2).map(byte).collect()
}

/// Keys that break what is careless with them, one of them of so many characters.
pub fn from_hell(longest: usize) -> Vec<Key> {
    let long = "x".repeat(longest);
    [
        "",
        " ",
        "  ",
        "0",
        "00",
        "-0",
        "1e3",
        "null",
        "NULL",
        "it's",
        "''",
        "\"",
        "\\",
        "\\0",
        "\n",
        "\r\n",
        "\t",
        "%",
        "_",
        "*",
        "?",
        "{id}",
        "[\"1\"]",
        "1\",\"2",
        "hex:00",
        "-",
        "--",
        "--format",
        "'; DROP TABLE account; --",
        "$1",
        "?1",
        ":id",
        "é",
        "e\u{301}",
        "É",
        "Straße",
        "STRASSE",
        "\u{202e}txt.exe",
        "\u{feff}",
        "\u{200b}",
        "😀",
        "\u{10ffff}",
        "\u{7f}",
        "\u{1}",
        "a",
        "A",
        &long,
    ]
    .map(|key| key.as_bytes().to_vec())
    .to_vec()
}
