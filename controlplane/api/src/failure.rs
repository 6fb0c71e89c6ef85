//! What the API answers when it does not do what was asked: Kubernetes' `Status`, as a value.

use std::fmt;

use serde_json::{Map, Value, json};

use meridian_schema::{Cause, Kind};

/// A refusal or an error, with all that a client sees of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The HTTP status code.
    pub code: u16,
    /// The machine-readable reason.
    pub reason: Reason,
    /// The message for people.
    pub message: String,
    /// What it is about.
    pub details: Option<Box<Details>>,
    /// Where a list may go on, if inconsistently, after its token expired.
    pub continue_token: Option<Box<str>>,
}

/// What a failure is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// The name of the object; empty where there is none.
    pub name: String,
    /// The API group of `kind`.
    pub group: String,
    /// The resource or kind.
    pub kind: String,
    /// The uid of the object; empty where there is none.
    pub uid: String,
    /// The single faults: (reason, message, field).
    pub causes: Vec<FailureCause>,
    /// After how many seconds to try again.
    pub retry_after_seconds: Option<u32>,
}

/// One fault.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FailureCause {
    /// The machine-readable reason.
    pub reason: String,
    /// The message for people.
    pub message: String,
    /// The path of the field, where it is about one.
    pub field: String,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal),* $(,)?) => {
        /// The machine-readable reason of a failure, as Kubernetes names them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason { $($(#[$doc])* $name),* }

        impl Reason {
            /// The name, as in `Status.reason`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// The HTTP status code that goes with it.
            #[must_use]
            pub fn code(self) -> u16 {
                match self { $(Self::$name => $code),* }
            }
        }
    };
}

reasons! {
    /// The request makes no sense.
    BadRequest = 400,
    /// Who asks is not known.
    Unauthorized = 401,
    /// It is known who asks, and it may not be done.
    Forbidden = 403,
    /// No such object or resource.
    NotFound = 404,
    /// The verb is not for this resource.
    MethodNotAllowed = 405,
    /// None of the formats that the client takes can be given.
    NotAcceptable = 406,
    /// The object exists.
    AlreadyExists = 409,
    /// The object is not as the request presumes.
    Conflict = 409,
    /// What was asked for is gone for good.
    Gone = 410,
    /// The resource version is no longer kept.
    Expired = 410,
    /// The body is too large.
    RequestEntityTooLarge = 413,
    /// The format of the body is not known.
    UnsupportedMediaType = 415,
    /// The object is not valid.
    Invalid = 422,
    /// Too much at once.
    TooManyRequests = 429,
    /// A fault of the server.
    InternalError = 500,
    /// It cannot be done now.
    ServiceUnavailable = 503,
    /// It took too long.
    Timeout = 504,
}

impl Failure {
    /// A failure with the code that goes with its reason, and no details.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { code: reason.code(), reason, message: message.into(), details: None, continue_token: None }
    }

    /// The request makes no sense.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Reason::BadRequest, message)
    }

    /// A fault of the server.
    #[must_use]
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new(Reason::InternalError, format!("Internal error occurred: {message}"))
    }

    /// It cannot be done now; try again.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Reason::ServiceUnavailable, message).retry_after(1)
    }

    /// There is no such object.
    #[must_use]
    pub fn not_found(kind: &Kind, name: &str) -> Self {
        Self::new(Reason::NotFound, format!("{} {name:?} not found", kind.resource())).about(kind, name)
    }

    /// There is such an object already.
    #[must_use]
    pub fn already_exists(kind: &Kind, name: &str) -> Self {
        Self::new(Reason::AlreadyExists, format!("{} {name:?} already exists", kind.resource()))
            .about(kind, name)
    }

    /// The object is not as the request presumes.
    #[must_use]
    pub fn conflict(kind: &Kind, name: &str, why: impl fmt::Display) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", kind.resource());
        Self::new(Reason::Conflict, message).about(kind, name)
    }

    /// The object was changed by somebody else in the meantime.
    #[must_use]
    pub fn modified_meanwhile(kind: &Kind, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(kind, name, why)
    }

    /// It may not be done.
    #[must_use]
    pub fn forbidden(kind: &Kind, name: &str, why: impl fmt::Display) -> Self {
        let resource = kind.resource();
        let message = match name {
            "" => format!("{resource} is forbidden: {why}"),
            name => format!("{resource} {name:?} is forbidden: {why}"),
        };
        Self::new(Reason::Forbidden, message).about(kind, name)
    }

    /// The verb is not for this kind.
    #[must_use]
    pub fn method_not_allowed(kind: &Kind, verb: &str) -> Self {
        let message = format!("{verb} is not supported on resources of kind {:?}", kind.resource());
        Self::new(Reason::MethodNotAllowed, message).about(kind, "")
    }

    /// The object is not valid, for these causes.
    #[must_use]
    pub fn invalid(kind: &Kind, name: &str, causes: &[Cause]) -> Self {
        Self::invalid_causes(kind, name, causes.iter().map(FailureCause::from).collect())
    }

    /// The same, for causes of the registry's own.
    #[must_use]
    pub(crate) fn invalid_causes(kind: &Kind, name: &str, causes: Vec<FailureCause>) -> Self {
        let subject = if kind.group.is_empty() {
            kind.kind.to_owned()
        } else {
            format!("{}.{}", kind.kind, kind.group)
        };
        let details = Details {
            name: name.to_owned(),
            group: kind.group.to_owned(),
            kind: kind.kind.to_owned(),
            ..Details::default()
        };
        Self::invalid_subject(&subject, name, causes, details)
    }

    /// What is called `subject` is not valid, for these causes.
    pub(crate) fn invalid_subject(
        subject: &str,
        name: &str,
        causes: Vec<FailureCause>,
        mut details: Details,
    ) -> Self {
        let mut texts = Vec::new();
        for cause in &causes {
            let text = match cause.field.as_str() {
                "" => cause.message.clone(),
                field => format!("{field}: {}", cause.message),
            };
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let why = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        details.causes = causes;
        let mut failure = Self::new(Reason::Invalid, format!("{subject} {name:?} is invalid: {why}"));
        failure.details = Some(Box::new(details));
        failure
    }

    /// The resource version is no longer kept.
    #[must_use]
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(Reason::Expired, message)
    }

    /// Something is larger than is taken.
    #[must_use]
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(Reason::RequestEntityTooLarge, message)
    }

    /// The same, with the object it is about.
    #[must_use]
    pub fn about(mut self, kind: &Kind, name: &str) -> Self {
        let details = self.details.get_or_insert_default();
        details.name = name.to_owned();
        details.group = kind.group.to_owned();
        details.kind = kind.plural.to_owned();
        self
    }

    /// The same, with one more cause.
    #[must_use]
    pub fn because(mut self, reason: &str, message: &str, field: &str) -> Self {
        let cause =
            FailureCause { reason: reason.to_owned(), message: message.to_owned(), field: field.to_owned() };
        self.details.get_or_insert_default().causes.push(cause);
        self
    }

    /// The same, with the advice to try again after so many seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.details.get_or_insert_default().retry_after_seconds = Some(seconds);
        self
    }

    /// The seconds after which to try again, if that is advised.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u32> {
        self.details.as_ref().and_then(|details| details.retry_after_seconds)
    }

    /// Whether it says that there is no such object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.reason == Reason::NotFound
    }

    /// Whether it says that the object is not as presumed.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.reason == Reason::Conflict
    }

    /// Whether it says that the object exists already.
    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        self.reason == Reason::AlreadyExists
    }

    /// The `Status` object that a client gets.
    #[must_use]
    pub fn to_status(&self) -> Value {
        let mut metadata = Map::new();
        if let Some(token) = &self.continue_token {
            metadata.insert("continue".to_owned(), json!(token));
        }
        let mut status = json!({
            "apiVersion": "v1",
            "kind": "Status",
            "metadata": metadata,
            "status": "Failure",
            "message": self.message,
            "reason": self.reason.as_str(),
            "code": self.code,
        });
        if let (Some(details), Some(status)) = (&self.details, status.as_object_mut()) {
            status.insert("details".to_owned(), details.to_value());
        }
        status
    }
}

impl Details {
    fn to_value(&self) -> Value {
        let mut value = Map::new();
        let texts = [("name", &self.name), ("group", &self.group), ("kind", &self.kind), ("uid", &self.uid)];
        for (field, text) in texts {
            if !text.is_empty() {
                value.insert(field.to_owned(), json!(text));
            }
        }
        if !self.causes.is_empty() {
            value.insert("causes".to_owned(), self.causes.iter().map(FailureCause::to_value).collect());
        }
        if let Some(seconds) = self.retry_after_seconds {
            value.insert("retryAfterSeconds".to_owned(), json!(seconds));
        }
        Value::Object(value)
    }
}

impl FailureCause {
    fn to_value(&self) -> Value {
        let mut value = Map::new();
        for (field, text) in [("reason", &self.reason), ("message", &self.message), ("field", &self.field)] {
            if !text.is_empty() {
                value.insert(field.to_owned(), json!(text));
            }
        }
        Value::Object(value)
    }
}

impl From<&Cause> for FailureCause {
    fn from(cause: &Cause) -> Self {
        Self {
            reason: cause.reason.as_str().to_owned(),
            message: cause.message.clone(),
            field: cause.field.clone(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<meridian_store::Error> for Failure {
    fn from(error: meridian_store::Error) -> Self {
        use meridian_store::Error;
        match &error {
            Error::TooLarge { what, size, limit } => {
                Self::too_large(format!("Request entity too large: {what} is {size}, limit is {limit}"))
            }
            Error::Compacted { .. } | Error::TenantCompacted { .. } => {
                Self::expired("The resourceVersion for the provided request is too old.")
            }
            Error::Fenced { .. } | Error::Closed | Error::DiskFull { .. } => {
                Self::unavailable(error.to_string())
            }
            Error::Etcd { .. } | Error::Poisoned { .. } => {
                Self::new(Reason::Timeout, format!("the outcome is unknown: {error}"))
            }
            _ => Self::internal(error),
        }
    }
}
