//! The words of a label selector.

/// A word or a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Sign,
    /// What stands in the text; empty at its end.
    pub(super) text: &'a str,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Word,
    Equals,
    DoubleEquals,
    NotEquals,
    Not,
    Above,
    Below,
    Open,
    Close,
    Comma,
    End,
}

/// Reads tokens, one ahead.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    rest: &'a str,
    ahead: Option<Token<'a>>,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Lexer<'a> {
        Lexer { rest: text, ahead: None }
    }

    /// The next token, without taking it.
    pub(super) fn peek(&mut self) -> Token<'a> {
        let token = self.next();
        self.ahead = Some(token);
        token
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Token<'a> {
        if let Some(token) = self.ahead.take() {
            return token;
        }
        self.rest = self.rest.trim_start_matches(is_space);
        let kind = match self.rest.as_bytes() {
            [] => Sign::End,
            [b'=', b'=', ..] => Sign::DoubleEquals,
            [b'=', ..] => Sign::Equals,
            [b'!', b'=', ..] => Sign::NotEquals,
            [b'!', ..] => Sign::Not,
            [b'>', ..] => Sign::Above,
            [b'<', ..] => Sign::Below,
            [b'(', ..] => Sign::Open,
            [b')', ..] => Sign::Close,
            [b',', ..] => Sign::Comma,
            _ => Sign::Word,
        };
        let length = match kind {
            Sign::End => 0,
            Sign::DoubleEquals | Sign::NotEquals => 2,
            Sign::Word => {
                self.rest.find(|letter| is_space(letter) || is_sign(letter)).unwrap_or(self.rest.len())
            }
            _ => 1,
        };
        let (text, rest) = self.rest.split_at(length);
        self.rest = rest;
        Token { kind, text }
    }
}

fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

fn is_sign(letter: char) -> bool {
    matches!(letter, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}
