use super::*;

fn n(text: &str) -> Numeric {
    text.parse().unwrap()
}

#[test]
fn texts() {
    for (input, output) in [
        ("1.50", "1.50"),
        ("-0.005", "-0.005"),
        ("  12e3 ", "12000"),
        ("1.234e2", "123.4"),
        ("1e-3", "0.001"),
        (".5", "0.5"),
        ("5.", "5"),
        ("NaN", "NaN"),
        ("-inf", "-Infinity"),
        ("+Infinity", "Infinity"),
        ("123456789012345678901234567890.123", "123456789012345678901234567890.123"),
        ("0e5", "0"),
        ("0.000", "0.000"),
    ] {
        assert_eq!(n(input).to_string(), output, "{input}");
    }
    for bad in ["", "abc", "1e", ".", "1.2.3", "1 2", "0x1", "-nan", "1e5x"] {
        assert!(bad.parse::<Numeric>().is_err(), "{bad}");
    }
}
