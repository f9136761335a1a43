//! Makes tiny databases in MaxMind's format: one record for the lower half of all IPv4 addresses, none for the upper.

/// A map of texts, in the data format: a control byte of type and length before each value.
fn map(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = vec![0xe0 | fields.len() as u8];
    for (key, value) in fields {
        bytes.extend(text(key));
        bytes.extend(text(value));
    }
    bytes
}

fn text(text: &str) -> Vec<u8> {
    assert!(text.len() < 29, "longer texts have longer lengths");
    [&[0x40 | text.len() as u8], text.as_bytes()].concat()
}

/// A database of this type whose only record has these fields.
pub fn database(kind: &str, record: &[(&str, &str)]) -> Vec<u8> {
    // One node of two 24-bit records: data at offset 0 (after the separator's 16 bytes), and "not found".
    let mut bytes = vec![0, 0, 17, 0, 0, 1];
    bytes.extend([0; 16]);
    bytes.extend(map(record));
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    bytes.push(0xe0 | 9);
    let two = [0xa2, 0, 2];
    let four = [0xa2, 0, 4];
    for (key, value) in [
        ("binary_format_major_version", &two[..]),
        ("binary_format_minor_version", &[0xa0]),
        ("build_epoch", &[0x01, 0x02, 1]),
        ("database_type", &text(kind)),
        ("description", &[0xe0]),
        ("ip_version", &four),
        ("languages", &[0x00, 0x04]),
        ("node_count", &[0xc1, 1]),
        ("record_size", &[0xa1, 24]),
    ] {
        bytes.extend(text(key));
        bytes.extend(value);
    }
    bytes
}
