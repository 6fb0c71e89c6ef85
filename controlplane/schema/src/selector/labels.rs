//! Label selectors, from the text of a query and from objects.

use serde_json::Value;

use super::lexer::{Lexer, Sign, Token};
use super::requirement::{Operator, Requirement};
use super::{Labels, MAX_LENGTH, MAX_REQUIREMENTS, SelectorError};
use crate::read::{entries, items, text, texts};

/// The operators that stand between a key and its values, as messages list them.
const OPERATORS: &str = "in, notin, =, ==, !=, gt, lt";

/// Which objects, by their labels: all requirements have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
    /// Selects no object at all, as an absent selector does.
    nothing: bool,
}

impl LabelSelector {
    /// Reads the parameter of a list, such as `app=web,tier in (front, back),!canary`. Empty text selects everything.
    pub fn parse(text: &str) -> Result<LabelSelector, SelectorError> {
        if text.len() > MAX_LENGTH {
            return Err(SelectorError::TooLarge);
        }
        let mut lexer = Lexer::new(text);
        let mut selector = LabelSelector::default();
        if lexer.peek().kind == Sign::End {
            return Ok(selector);
        }
        loop {
            let token = lexer.peek();
            if !matches!(token.kind, Sign::Word | Sign::Not) {
                return Err(found(token, "!, identifier, or 'end of string'"));
            }
            selector.push(requirement(&mut lexer)?)?;
            match lexer.next() {
                Token { kind: Sign::End, .. } => return Ok(selector),
                Token { kind: Sign::Comma, .. } => {
                    let token = lexer.peek();
                    if !matches!(token.kind, Sign::Word | Sign::Not) {
                        return Err(found(token, "identifier after ','"));
                    }
                }
                token => return Err(found(token, "',' or 'end of string'")),
            }
        }
    }

    /// Reads a selector of an object (`matchLabels` and `matchExpressions`). `null` selects nothing, an empty selector
    /// everything.
    pub fn from_object(object: &Value) -> Result<LabelSelector, SelectorError> {
        let mut selector = LabelSelector { nothing: object.is_null(), ..LabelSelector::default() };
        for (key, value) in entries(object, "matchLabels") {
            let value = value.as_str().unwrap_or_default().to_owned();
            selector.push(Requirement::new(key, Operator::In, vec![value])?)?;
        }
        for expression in items(object, "matchExpressions") {
            let operator = match text(expression, "operator") {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(SelectorError::Operator { operator: other.to_owned() }),
            };
            let values = texts(expression, "values").map(str::to_owned).collect();
            selector.push(Requirement::new(text(expression, "key"), operator, values)?)?;
        }
        Ok(selector)
    }

    /// Whether an object with these labels is selected.
    pub fn matches<L: Labels + ?Sized>(&self, labels: &L) -> bool {
        !self.nothing && self.requirements.iter().all(|requirement| requirement.matches(labels))
    }

    /// Whether every object is selected.
    pub fn is_everything(&self) -> bool {
        !self.nothing && self.requirements.is_empty()
    }

    fn push(&mut self, requirement: Requirement) -> Result<(), SelectorError> {
        if self.requirements.len() >= MAX_REQUIREMENTS {
            return Err(SelectorError::TooLarge);
        }
        self.requirements.push(requirement);
        Ok(())
    }
}

fn found(token: Token<'_>, expected: &str) -> SelectorError {
    SelectorError::Requirement { problem: format!("found '{}', expected: {expected}", token.text) }
}

/// `key`, `!key`, `key = value`, `key in (a, b)`, `key > 1`.
fn requirement(lexer: &mut Lexer<'_>) -> Result<Requirement, SelectorError> {
    let absent = lexer.peek().kind == Sign::Not;
    if absent {
        lexer.next();
    }
    let key = lexer.next();
    if key.kind != Sign::Word {
        return Err(found(key, "identifier"));
    }
    if absent {
        return Requirement::new(key.text, Operator::DoesNotExist, Vec::new());
    }
    if matches!(lexer.peek().kind, Sign::End | Sign::Comma) {
        return Requirement::new(key.text, Operator::Exists, Vec::new());
    }
    let sign = lexer.next();
    let operator = match (sign.kind, sign.text) {
        (Sign::Word, "in") => return Requirement::new(key.text, Operator::In, value_list(lexer)?),
        (Sign::Word, "notin") => return Requirement::new(key.text, Operator::NotIn, value_list(lexer)?),
        (Sign::Equals | Sign::DoubleEquals, _) => Operator::In,
        (Sign::NotEquals, _) => Operator::NotIn,
        (Sign::Above, _) => Operator::Above,
        (Sign::Below, _) => Operator::Below,
        _ => return Err(found(sign, OPERATORS)),
    };
    Requirement::new(key.text, operator, vec![value(lexer)?])
}

/// A value, which may be empty.
fn value(lexer: &mut Lexer<'_>) -> Result<String, SelectorError> {
    match lexer.peek() {
        Token { kind: Sign::Word, .. } => Ok(lexer.next().text.to_owned()),
        Token { kind: Sign::End | Sign::Comma, .. } => Ok(String::new()),
        token => Err(found(token, "identifier")),
    }
}

/// Values in parentheses, each of which may be empty.
fn value_list(lexer: &mut Lexer<'_>) -> Result<Vec<String>, SelectorError> {
    let open = lexer.next();
    if open.kind != Sign::Open {
        return Err(found(open, "'('"));
    }
    let mut values = Vec::new();
    loop {
        let value = lexer.peek();
        if value.kind == Sign::Word {
            lexer.next();
            values.push(value.text.to_owned());
        } else {
            values.push(String::new());
        }
        match lexer.next() {
            Token { kind: Sign::Close, .. } => return Ok(values),
            Token { kind: Sign::Comma, .. } => {}
            token => return Err(found(token, "',', ')' or identifier")),
        }
    }
}
