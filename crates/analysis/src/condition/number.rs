//! Arithmetic: whole numbers stay whole but for division and powers, and never wrap around.

use super::{
    Value,
    ast::Arithmetic,
    eval::{Evaluated, wrong},
};

/// `-x`.
pub(super) fn negate(value: &Value) -> Evaluated {
    match (value.as_int(), value.as_number()) {
        (Some(number), _) => number.checked_neg().map_or_else(overflow, |number| Ok(Value::Int(number))),
        (None, Some(number)) => Ok(Value::Float(-number)),
        (None, None) => wrong(format!("`-` needs a number, but this is {}", value.kind())),
    }
}

/// The six operations on numbers; `+` also joins texts.
pub(super) fn arithmetic(operator: Arithmetic, left: &Value, right: &Value) -> Evaluated {
    if let (Arithmetic::Add, Value::String(a), Value::String(b)) = (operator, left, right) {
        return Ok(Value::string(&format!("{a}{b}")));
    }
    if let (Value::Int(a), Value::Int(b)) = (left, right) {
        let whole = match operator {
            Arithmetic::Add => Some(a.checked_add(*b)),
            Arithmetic::Subtract => Some(a.checked_sub(*b)),
            Arithmetic::Multiply => Some(a.checked_mul(*b)),
            Arithmetic::Remainder if *b == 0 => return wrong("the remainder of a division by zero"),
            Arithmetic::Remainder => Some(a.checked_rem(*b)),
            Arithmetic::Divide | Arithmetic::Power => None,
        };
        if let Some(whole) = whole {
            return whole.map_or_else(overflow, |number| Ok(Value::Int(number)));
        }
    }
    let (Some(a), Some(b)) = (left.as_number(), right.as_number()) else {
        return wrong(format!("numbers must stand here, but these are {} and {}", left.kind(), right.kind()));
    };
    match operator {
        Arithmetic::Add => Ok(Value::Float(a + b)),
        Arithmetic::Subtract => Ok(Value::Float(a - b)),
        Arithmetic::Multiply => Ok(Value::Float(a * b)),
        Arithmetic::Divide => Ok(Value::Float(a / b)),
        Arithmetic::Power => Ok(Value::Float(a.powf(b))),
        Arithmetic::Remainder => wrong("the remainder needs whole numbers"),
    }
}

fn overflow() -> Evaluated {
    wrong("the number is too large")
}
