use super::{
    ValueClass,
    view::{Extent, Values},
};
use crate::shape::schema::{Format, Number, Parameter, Place, Schema, Style, Text};

impl Values {
    /// The parameter as it is shown, of so many calls: each has it.
    pub(crate) fn parameter(&self, calls: u64) -> Parameter {
        Parameter {
            name: self.name.to_string(),
            place: Place::Path,
            style: Style::Single,
            seen: calls,
            of: calls,
            required: true,
            schema: self.schema(calls),
        }
    }

    fn schema(&self, calls: u64) -> Schema {
        let all = self.classes.values().copied().reduce(Extent::or);
        let Some(Extent { distinct, range: (least, most) }) = all else { return Schema::default() };
        let one = self.classes.keys().next().filter(|_| self.classes.len() == 1);
        if one == Some(&ValueClass::Integer) {
            let number = Number { seen: calls, integer: true, minimum: least, maximum: most, format: None };
            return Schema { seen: calls, number: Some(number), ..Schema::default() };
        }
        // Where numbers are among the values, their measure says nothing of how long they are.
        let numbers =
            self.classes.contains_key(&ValueClass::Integer) || self.classes.contains_key(&ValueClass::Number);
        let (shortest, longest) = if numbers { (1.0, LONGEST) } else { (least.max(0.0), most.min(LONGEST)) };
        let text = Text {
            seen: calls,
            shortest: whole(shortest),
            longest: whole(longest),
            distinct: whole(distinct),
            format: one.and_then(|class| format(*class)),
            values: Vec::new(),
        };
        Schema { seen: calls, string: Some(text), ..Schema::default() }
    }
}

/// Longest path there may be, in characters.
const LONGEST: f64 = 65_536.0;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from floating point saturates"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

fn format(class: ValueClass) -> Option<Format> {
    match class {
        ValueClass::Uuid => Some(Format::Uuid),
        ValueClass::Date => Some(Format::Date),
        ValueClass::Timestamp => Some(Format::DateTime),
        ValueClass::Email => Some(Format::Email),
        ValueClass::Phone => Some(Format::Phone),
        ValueClass::Literal
        | ValueClass::Integer
        | ValueClass::Number
        | ValueClass::Hash
        | ValueClass::IpAddress
        | ValueClass::PrefixedId
        | ValueClass::Token
        | ValueClass::Text
        | ValueClass::Opaque => None,
    }
}
