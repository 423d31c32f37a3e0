//! Templates of numbers.
//!
//! A template has digit positions before and after its point. The rounded number is laid into them from the point
//! outwards; what stays empty in front is blank (or zero from the first `0` on), and the sign goes right before
//! the first position that is not blank, unless the template gives it a place of its own.

use super::date_template::ordinal;
use crate::error::{Result, SqlError, sqlstate};
use crate::types::Numeric;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Piece {
    /// `9` (false) or `0` (true).
    Digit(bool),
    Point,
    Group,
    /// `S`
    Sign,
    /// `MI`
    Minus,
    /// `PL`
    Plus,
    /// `SG`
    PlusMinus,
    Currency,
    Ordinal(bool),
    Literal(char),
}

#[derive(Default)]
struct Template {
    pieces: Vec<Piece>,
    /// `FM`
    bare: bool,
    /// `PR`
    brackets: bool,
    /// Digits after `V`: the number is multiplied by so many tens.
    shift: i32,
    exponent: bool,
    roman: Option<bool>,
}

fn syntax(message: &str) -> SqlError {
    SqlError::syntax(message.to_owned())
}

fn parse(template: &str) -> Result<Template> {
    let mut out = Template::default();
    let mut rest = template;
    let mut shifted = false;
    while let Some(c) = rest.chars().next() {
        let strip = |word: &str| {
            let (head, tail) = rest.split_at_checked(word.len())?;
            head.eq_ignore_ascii_case(word).then_some(tail)
        };
        if c == '"' {
            let mut chars = rest.chars();
            chars.next();
            while let Some(c) = chars.next().filter(|c| *c != '"') {
                let c = if c == '\\' { chars.next().unwrap_or(c) } else { c };
                out.pieces.push(Piece::Literal(c));
            }
            rest = chars.as_str();
            continue;
        }
        let words = [
            ("EEEE", None),
            ("FM", None),
            ("PR", None),
            ("RN", None),
            ("MI", Some(Piece::Minus)),
            ("PL", Some(Piece::Plus)),
            ("SG", Some(Piece::PlusMinus)),
            ("TH", Some(Piece::Ordinal(c == 'T'))),
            ("9", Some(Piece::Digit(false))),
            ("0", Some(Piece::Digit(true))),
            (".", Some(Piece::Point)),
            ("D", Some(Piece::Point)),
            (",", Some(Piece::Group)),
            ("G", Some(Piece::Group)),
            ("S", Some(Piece::Sign)),
            ("L", Some(Piece::Currency)),
            ("V", None),
            ("B", None),
            ("C", None),
        ];
        let found = words.iter().find_map(|(word, piece)| strip(word).map(|after| (*word, *piece, after)));
        let Some((word, piece, after)) = found else {
            out.pieces.push(Piece::Literal(c));
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            continue;
        };
        match piece {
            Some(Piece::Point) if out.pieces.contains(&Piece::Point) => {
                return Err(syntax("multiple decimal points"));
            }
            Some(Piece::Point) if shifted => {
                return Err(syntax("cannot use \"V\" and decimal point together"));
            }
            Some(Piece::Sign) if out.pieces.contains(&Piece::Sign) => {
                return Err(syntax("cannot use \"S\" twice"));
            }
            Some(piece) => {
                out.shift += i32::from(shifted && matches!(piece, Piece::Digit(_)));
                out.pieces.push(piece);
            }
            None => match word {
                "EEEE" => out.exponent = true,
                "FM" => out.bare = true,
                "PR" => out.brackets = true,
                "RN" => out.roman = Some(c == 'R'),
                "V" => shifted = true,
                _ => {}
            },
        }
        rest = after;
    }
    Ok(out)
}

fn roman(value: &Numeric, upper: bool, bare: bool) -> String {
    let number = value.round(0).to_i64().ok().filter(|n| (1..4000).contains(n));
    let text = match number {
        None => "#".repeat(15),
        Some(mut n) => {
            let steps = [
                (1000, "M"),
                (900, "CM"),
                (500, "D"),
                (400, "CD"),
                (100, "C"),
                (90, "XC"),
                (50, "L"),
                (40, "XL"),
                (10, "X"),
                (9, "IX"),
                (5, "V"),
                (4, "IV"),
                (1, "I"),
            ];
            let mut out = String::new();
            for (amount, letters) in steps {
                while n >= amount {
                    out.push_str(letters);
                    n -= amount;
                }
            }
            out
        }
    };
    let text = if upper { text } else { text.to_lowercase() };
    if bare { text } else { format!("{text:>15}") }
}

/// `d.ddde+dd`
fn scientific(value: &Numeric, post: usize) -> String {
    if !value.is_finite() {
        return "#".to_owned();
    }
    let digits = value.abs().to_string();
    let plain: String = digits.chars().filter(char::is_ascii_digit).collect();
    let point = digits.find('.').unwrap_or(digits.len()) as i64;
    let leading = plain.bytes().take_while(|b| *b == b'0').count();
    let zero = leading == plain.len();
    let mut exponent = if zero { 0 } else { point - 1 - leading as i64 };
    let significant = plain.get(leading..).unwrap_or_default();
    let mut number: Vec<u8> = significant.bytes().chain(std::iter::repeat(b'0')).take(post + 1).collect();
    if significant.as_bytes().get(post + 1).is_some_and(|next| *next >= b'5') {
        let mut carry = true;
        for digit in number.iter_mut().rev() {
            if !carry {
                break;
            }
            carry = *digit == b'9';
            *digit = if carry { b'0' } else { *digit + 1 };
        }
        if carry {
            number.insert(0, b'1');
            number.truncate(post + 1);
            exponent += 1;
        }
    }
    let text = String::from_utf8(number).unwrap_or_default();
    let (head, tail) = text.split_at_checked(1).unwrap_or(("0", ""));
    let sign = if exponent < 0 { '-' } else { '+' };
    let minus = if value.signum() < 0 { "-" } else { " " };
    let dot = if tail.is_empty() { "" } else { "." };
    format!("{minus}{head}{dot}{tail}e{sign}{:02}", exponent.abs())
}

/// `to_char(numeric, text)`
pub(super) fn write(value: &Numeric, template: &str) -> Result<String> {
    let t = parse(template)?;
    if let Some(upper) = t.roman {
        return Ok(roman(value, upper, t.bare));
    }
    let point = t.pieces.iter().position(|p| *p == Piece::Point).unwrap_or(t.pieces.len());
    let slots = |pieces: &[Piece]| pieces.iter().filter(|p| matches!(p, Piece::Digit(_))).count();
    let (before, after) = t.pieces.split_at_checked(point).unwrap_or((&t.pieces, &[]));
    let (pre, post) = (slots(before), slots(after));
    if t.exponent {
        return Ok(scientific(value, post));
    }
    let shifted = match t.shift {
        0 => value.clone(),
        shift => value.mul(&Numeric::from(10i64).power(&Numeric::from(i64::from(shift)))?)?,
    };
    let negative = value.signum() < 0 && !value.is_nan();
    let rounded = shifted.abs().round(i32::try_from(post).unwrap_or(i32::MAX));
    let text = rounded.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    // A zero before the point is left out where digits follow it and no `0` asks for it.
    let first_zero =
        before.iter().filter(|p| matches!(p, Piece::Digit(_))).position(|p| *p == Piece::Digit(true));
    let whole = if whole == "0" && post > 0 && first_zero.is_none() { "" } else { whole };
    let too_large = whole.len() > pre;
    let sharp = "#".repeat(pre.max(post));
    let (whole, fraction) = if value.is_nan() && pre >= 3 {
        (whole, fraction)
    } else if too_large {
        (sharp.get(..pre).unwrap_or_default(), sharp.get(..post).unwrap_or_default())
    } else {
        (whole, fraction)
    };
    let negative = negative && (too_large || !rounded.is_zero() || !value.is_zero());
    // With FM, zeros at the end are dropped down to the last `0` of the template.
    let last_zero = after
        .iter()
        .filter(|p| matches!(p, Piece::Digit(_)))
        .enumerate()
        .filter(|(_, p)| **p == Piece::Digit(true))
        .map(|(i, _)| i + 1)
        .last()
        .unwrap_or(0);
    let kept = if t.bare { fraction.trim_end_matches('0').len().max(last_zero) } else { fraction.len() };
    let mut whole = whole.to_owned();
    if t.bare && whole.is_empty() && kept == 0 && pre > 0 {
        whole.push('0');
    }

    let own_sign = t.pieces.iter().any(|p| matches!(p, Piece::Minus | Piece::PlusMinus));
    let sign_at = t.pieces.iter().position(|p| *p == Piece::Sign);
    let first_digit = t.pieces.iter().position(|p| matches!(p, Piece::Digit(_))).unwrap_or(0);
    let sign_after = sign_at.is_some_and(|at| at > first_digit);
    let mut lead = match (own_sign, sign_at.is_some(), t.brackets) {
        (true, ..) => "",
        (_, true, _) if sign_after => "",
        (_, true, _) => {
            if negative {
                "-"
            } else {
                "+"
            }
        }
        (.., true) => {
            if negative {
                "<"
            } else if t.bare {
                ""
            } else {
                " "
            }
        }
        _ if negative => "-",
        _ if t.bare => "",
        _ => " ",
    };
    let mut out = String::new();
    let (mut slot, mut begun, mut after_point) = (0usize, false, false);
    let blank = pre.saturating_sub(whole.len());
    for piece in &t.pieces {
        match piece {
            Piece::Digit(_) if after_point => {
                if slot < kept {
                    out.extend(fraction.get(slot..=slot));
                }
                slot += 1;
            }
            Piece::Digit(_) => {
                let zero = first_zero.is_some_and(|at| at <= slot);
                if slot < blank && !zero {
                    out.push_str(if t.bare { "" } else { " " });
                } else {
                    out.push_str(std::mem::take(&mut lead));
                    begun = true;
                    let digit = slot.checked_sub(blank).and_then(|i| whole.get(i..=i));
                    out.push_str(digit.unwrap_or("0"));
                }
                slot += 1;
            }
            Piece::Point => {
                out.push_str(std::mem::take(&mut lead));
                out.push('.');
                (slot, after_point, begun) = (0, true, true);
            }
            Piece::Group if begun => out.push(','),
            Piece::Group => out.push_str(if t.bare { "" } else { " " }),
            Piece::Sign if sign_after => out.push(if negative { '-' } else { '+' }),
            Piece::Sign => {}
            Piece::Minus if negative => out.push('-'),
            Piece::Plus if !negative => out.push('+'),
            Piece::Minus | Piece::Plus => out.push_str(if t.bare { "" } else { " " }),
            Piece::PlusMinus => out.push(if negative { '-' } else { '+' }),
            Piece::Currency => out.push(' '),
            Piece::Ordinal(upper) => {
                if !negative && post == 0 && !too_large {
                    let suffix = ordinal(&whole);
                    out.push_str(&if *upper { suffix.to_uppercase() } else { suffix.to_owned() });
                }
            }
            Piece::Literal(c) => out.push(*c),
        }
    }
    if t.brackets {
        out.push_str(if negative {
            ">"
        } else if t.bare {
            ""
        } else {
            " "
        });
    }
    Ok(out)
}

/// `to_number`: what the template does not expect is skipped.
pub(super) fn read(text: &str, template: &str) -> Result<Numeric> {
    let t = parse(template)?;
    if t.roman.is_some() {
        return Err(SqlError::new(sqlstate::FEATURE_NOT_SUPPORTED, "\"RN\" not supported for input"));
    }
    let mut chars = text.chars().peekable();
    let (mut digits, mut negative, mut pointed) = (String::new(), false, false);
    let mut sign = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| {
        while let Some(c) = chars.next_if(|c| matches!(c, ' ' | '-' | '+' | '<' | '>')) {
            negative |= c == '-' || c == '<';
        }
    };
    let mut scale = 0usize;
    let post = {
        let point = t.pieces.iter().position(|p| *p == Piece::Point).unwrap_or(t.pieces.len());
        t.pieces.iter().skip(point).filter(|p| matches!(p, Piece::Digit(_))).count()
    };
    for piece in &t.pieces {
        match piece {
            Piece::Digit(_) => {
                sign(&mut chars);
                if !pointed && post > 0 && chars.next_if_eq(&'.').is_some() {
                    digits.push('.');
                    pointed = true;
                }
                if let Some(digit) = chars.next_if(char::is_ascii_digit) {
                    if pointed && scale >= post {
                        continue;
                    }
                    digits.push(digit);
                    scale += usize::from(pointed);
                }
            }
            Piece::Point => {
                if !pointed && chars.next_if_eq(&'.').is_some() {
                    digits.push('.');
                    pointed = true;
                }
            }
            Piece::Group => {
                chars.next_if_eq(&',');
            }
            Piece::Sign | Piece::Minus | Piece::Plus | Piece::PlusMinus => sign(&mut chars),
            Piece::Currency => {
                chars.next_if(|c| !c.is_ascii_digit() && !matches!(c, '.' | ',' | '-' | '+'));
            }
            Piece::Ordinal(_) => {
                chars.next_if(char::is_ascii_alphabetic);
                chars.next_if(char::is_ascii_alphabetic);
            }
            Piece::Literal(_) => {
                chars.next_if(|c| !c.is_ascii_digit());
            }
        }
    }
    sign(&mut chars);
    if !digits.contains(|c: char| c.is_ascii_digit()) {
        return Err(SqlError::new(
            sqlstate::INVALID_TEXT_REPRESENTATION,
            "invalid input syntax for type numeric: \" \"",
        ));
    }
    let value = Numeric::input(digits.trim_end_matches('.'))?;
    let value = if negative { value.neg() } else { value };
    match t.shift {
        0 => Ok(value),
        shift => value.div(&Numeric::from(10i64).power(&Numeric::from(i64::from(shift)))?),
    }
}
