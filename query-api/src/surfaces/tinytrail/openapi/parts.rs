//! The words of which the document is made: schemas in one line, operations in a paragraph.

use serde_json::Value;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, ParameterStyle,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{AnyOfBuilder, KnownFormat, SchemaFormat, SchemaType, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{
    ArrayBuilder, ComponentsBuilder, ContentBuilder, HeaderBuilder, ObjectBuilder, Paths, Ref, RefOr,
    Required, ResponseBuilder, Schema,
};

use super::KEY;

/// A schema, or a reference to one.
pub(super) type Shape = RefOr<Schema>;

/// The schema of that name.
pub(super) fn named(name: &str) -> Shape {
    Ref::from_schema_name(name).into()
}

fn simple(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(kind))
}

/// A text.
pub(super) fn text() -> Shape {
    simple(Type::String).into()
}

/// A text of so many characters at least and at most.
pub(super) fn text_of(least: usize, most: usize) -> Shape {
    simple(Type::String).min_length(Some(least)).max_length(Some(most)).into()
}

/// A text, or null where there is none.
pub(super) fn maybe_text() -> Shape {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null])).into()
}

/// One of some words.
pub(super) fn word(words: &[&str]) -> Shape {
    simple(Type::String).enum_values(Some(words.iter().copied())).into()
}

/// A UUID.
pub(super) fn uuid() -> Shape {
    simple(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))).into()
}

/// A day.
pub(super) fn date() -> Shape {
    simple(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Date))).into()
}

/// An instant.
pub(super) fn instant() -> Shape {
    simple(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into()
}

/// `true` or `false`.
pub(super) fn boolean() -> Shape {
    simple(Type::Boolean).into()
}

/// A whole number of things, 0 or more.
pub(super) fn count() -> Shape {
    simple(Type::Integer).minimum(Some(0)).into()
}

/// A whole number within bounds.
pub(super) fn whole(least: i64, most: i64) -> Shape {
    simple(Type::Integer).minimum(Some(least)).maximum(Some(most)).into()
}

/// A number.
pub(super) fn number() -> Shape {
    simple(Type::Number).into()
}

/// A number, or null where there is none.
pub(super) fn maybe_number() -> Shape {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Number, Type::Null])).into()
}

/// A list.
pub(super) fn list(of: Shape) -> Shape {
    ArrayBuilder::new().items(of).into()
}

/// A list of at most so many.
pub(super) fn list_of(of: Shape, most: usize) -> Shape {
    ArrayBuilder::new().items(of).max_items(Some(most)).into()
}

/// One of some shapes.
pub(super) fn either(shapes: impl IntoIterator<Item = Shape>) -> Shape {
    shapes.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item).into()
}

/// An object. A field whose name ends in `?` may be missing.
pub(super) fn object<const N: usize>(fields: [(&str, Shape); N]) -> Shape {
    let mut object = simple(Type::Object);
    for (name, shape) in fields {
        match name.strip_suffix('?') {
            Some(name) => object = object.property(name, shape),
            None => object = object.property(name, shape).required(name),
        }
    }
    object.into()
}

/// TinyTrail's envelope around data.
pub(super) fn success(data: Shape) -> Shape {
    object([("status", word(&["success"])), ("data", data)])
}

/// Who may ask.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Anybody,
    User,
    Admin,
}

/// One method of one path.
pub(super) struct Operation {
    method: HttpMethod,
    path: &'static str,
    who: Who,
    tag: &'static str,
    builder: OperationBuilder,
}

/// A new operation. Its id is the name that generated clients give it.
pub(super) fn operation(
    method: HttpMethod,
    path: &'static str,
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
) -> Operation {
    let builder = OperationBuilder::new().operation_id(Some(id)).tag(tag).summary(Some(summary));
    Operation { method, path, who: Who::Anybody, tag, builder }
}

impl Operation {
    /// Says more.
    pub(super) fn about(mut self, text: &'static str) -> Self {
        self.builder = self.builder.description(Some(text));
        self
    }

    /// Needs a key of this kind; whatever needs a key has an allowance, and may meet a store that is away.
    pub(super) fn by(mut self, who: Who) -> Self {
        self.who = who;
        self.builder = self.builder.security(SecurityRequirement::new(KEY, [""; 0]));
        let common: &[u16] =
            if who == Who::Admin { &[401, 403, 429, 500, 503] } else { &[401, 429, 500, 503] };
        self.refuses(common)
    }

    /// A parameter.
    pub(super) fn with(mut self, parameter: Parameter) -> Self {
        self.builder = self.builder.parameter(parameter);
        self
    }

    /// The `id` in the path: it may be malformed or nobody's.
    pub(super) fn of(self, what: &'static str) -> Self {
        self.of_part("id", what)
    }

    /// A part of the path that names what it is about.
    pub(super) fn of_part(self, name: &'static str, what: &'static str) -> Self {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(what))
            .schema(Some(uuid()));
        self.with(parameter.build()).refuses(&[400, 404])
    }

    /// A JSON body, which may be wrong, too large or too slow.
    pub(super) fn takes(mut self, schema: &str, example: Value) -> Self {
        self.builder = self.builder.request_body(Some(body(schema, example, Required::True)));
        self.refuses(&[400, 408, 413])
    }

    /// A JSON body that may be missing.
    pub(super) fn may_take(mut self, schema: &str, example: Value) -> Self {
        self.builder = self.builder.request_body(Some(body(schema, example, Required::False)));
        self.refuses(&[400, 408, 413])
    }

    /// An answer in JSON.
    pub(super) fn answers(mut self, status: u16, what: &'static str, shape: Shape) -> Self {
        let content = ContentBuilder::new().schema(Some(shape)).build();
        let response = ResponseBuilder::new().description(what).content("application/json", content);
        self.builder = self.builder.response(status.to_string(), response.build());
        self
    }

    /// An answer in JSON, or in another form of text.
    pub(super) fn answers_also(
        mut self,
        status: u16,
        what: &'static str,
        shape: Option<Shape>,
        kind: &'static str,
    ) -> Self {
        let mut response = ResponseBuilder::new().description(what);
        if let Some(shape) = shape {
            response =
                response.content("application/json", ContentBuilder::new().schema(Some(shape)).build());
        }
        response = response.content(kind, ContentBuilder::new().schema(Some(text())).build());
        self.builder = self.builder.response(status.to_string(), response.build());
        self
    }

    /// An answer without a body.
    pub(super) fn answers_nothing(mut self, status: u16, what: &'static str) -> Self {
        self.builder =
            self.builder.response(status.to_string(), ResponseBuilder::new().description(what).build());
        self
    }

    /// The refusals that it knows.
    pub(super) fn refuses(mut self, statuses: &[u16]) -> Self {
        for status in statuses {
            let problem = PROBLEMS.iter().find(|(known, ..)| known == status);
            let name = problem.map_or("InternalError", |(_, name, ..)| *name);
            self.builder = self.builder.response(status.to_string(), Ref::from_response_name(name));
        }
        self
    }

    /// Puts it into the document.
    pub(super) fn add_to(self, paths: &mut Paths) {
        debug_assert!(super::TAGS.iter().any(|(name, _)| *name == self.tag));
        paths.add_path_operation(self.path, vec![self.method], self.builder.build());
    }
}

fn body(schema: &str, example: Value, required: Required) -> RequestBody {
    let content = ContentBuilder::new().schema(Some(named(schema))).example(Some(example)).build();
    RequestBodyBuilder::new().content("application/json", content).required(Some(required)).build()
}

/// A query parameter that may be missing.
pub(super) fn query(name: &str, shape: Shape, about: &'static str) -> Parameter {
    in_query(name, shape, about, Required::False).build()
}

/// A query parameter that must be given.
pub(super) fn must(name: &str, shape: Shape, about: &'static str) -> Parameter {
    in_query(name, shape, about, Required::True).build()
}

/// A query parameter that is given several times.
pub(super) fn repeated(name: &str, shape: Shape, about: &'static str) -> Parameter {
    in_query(name, shape, about, Required::True).style(Some(ParameterStyle::Form)).explode(Some(true)).build()
}

fn in_query(name: &str, shape: Shape, about: &'static str, required: Required) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(required)
        .description(Some(about))
        .schema(Some(shape))
}

/// The refusals: status, name in the document, code in the body, when.
const PROBLEMS: [(u16, &str, &str, &str); 10] = [
    (400, "InvalidPayload", "INVALID_PAYLOAD", "Malformed JSON, or a missing or invalid field or parameter."),
    (401, "Unauthorized", "UNAUTHORIZED", "Missing or invalid `X-API-KEY` header."),
    (403, "Forbidden", "FORBIDDEN", "The key is valid and may not do this."),
    (404, "NotFound", "NOT_FOUND", "It does not exist, or is another account's."),
    (408, "TooSlow", "INVALID_PAYLOAD", "The body took too long to arrive."),
    (413, "TooLarge", "INVALID_PAYLOAD", "The body is too large."),
    (415, "UnsupportedEncoding", "INVALID_PAYLOAD", "The body is compressed in a way that is not read here."),
    (
        429,
        "RateLimited",
        "RATE_LIMITED",
        "The allowance is used up; `Retry-After` says when the next request is taken.",
    ),
    (500, "InternalError", "INTERNAL_ERROR", "Something went wrong on the server's side."),
    (
        503,
        "Unavailable",
        "INTERNAL_ERROR",
        "The store cannot be reached now, or the report is too costly. Nothing was changed.",
    ),
];

/// Adds the refusals to the document's parts.
pub(super) fn problems(mut components: ComponentsBuilder) -> ComponentsBuilder {
    for (status, name, code, when) in PROBLEMS {
        let error = object([("code", word(&[code])), ("message", text())]);
        let shape = object([("status", word(&["error"])), ("error", error)]);
        let content = ContentBuilder::new().schema(Some(shape)).build();
        let mut response = ResponseBuilder::new().description(when).content("application/json", content);
        if status == 429 || status == 503 {
            let header = HeaderBuilder::new().schema(Some(count())).description(Some("Seconds."));
            response = response.header("Retry-After", header.build());
        }
        components = components.response(name, response.build());
    }
    components
}
