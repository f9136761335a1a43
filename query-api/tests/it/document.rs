//! The OpenAPI document as a witness: whatever is answered must be in it.

use std::collections::BTreeSet;

use axum::Router;
use query_api::QueryApi;
use reqwest::Method;
use serde_json::{Map, Value};
use service::config::Rate;
use uuid::Uuid;

use crate::house::House;

/// The document, as the server tells it.
pub(crate) struct Document(pub(crate) Value);

impl Document {
    pub(crate) async fn read(house: &House) -> Self {
        let response = house.ask(Method::GET, "/api/openapi.json", None, None).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/json");
        Self(response.json().await.unwrap())
    }

    /// Every operation.
    pub(crate) fn routes(&self) -> BTreeSet<(String, String)> {
        let paths = self.0["paths"].as_object().unwrap();
        let operations = |(path, item): (&String, &Value)| {
            let methods = item.as_object().unwrap().keys().map(|method| method.to_uppercase());
            methods.map(|method| (method, path.clone())).collect::<Vec<_>>()
        };
        paths.iter().flat_map(operations).collect()
    }

    /// Fails unless the document knows this answer of the operation, to the field.
    pub(crate) fn knows(&self, method: &Method, path: &str, status: u16, kind: &str, body: &str) {
        let operation = &self.0["paths"][path][method.as_str().to_lowercase()];
        let answer = self.resolve(&operation["responses"][status.to_string()]);
        assert!(answer.is_object(), "{method} {path}: {status} is not in the document: {body}");
        let kind = kind.split(';').next().unwrap_or_default();
        let content = &answer["content"][kind];
        assert!(content.is_object(), "{method} {path}: {status} as {kind} is not in the document");
        if kind == "application/json" {
            let body: Value = serde_json::from_str(body).unwrap();
            if let Err(why) = self.fits(&content["schema"], &body) {
                panic!("{method} {path} {status}: {why}\n{body:#}");
            }
        }
    }

    fn resolve<'d>(&'d self, thing: &'d Value) -> &'d Value {
        match thing["$ref"].as_str() {
            Some(place) => self.0.pointer(place.trim_start_matches('#')).unwrap(),
            None => thing,
        }
    }

    /// Whether a value is of a schema; fields that the schema does not name are refused.
    fn fits(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let schema = self.resolve(schema);
        if let Some(choices) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
            let fits = choices.iter().any(|choice| self.fits(choice, value).is_ok());
            return if fits { Ok(()) } else { Err(format!("{value} is none of {schema}")) };
        }
        if schema["allOf"].is_array() {
            let (mut fields, mut required) = (Map::new(), Vec::new());
            self.flatten(schema, &mut fields, &mut required);
            return self.fits_fields(&fields, &required, value);
        }
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let is_named = |name: &Value| name == kind || (name == "number" && kind == "integer");
        let types = &schema["type"];
        if !(is_named(types) || types.as_array().is_some_and(|names| names.iter().any(is_named))) {
            return Err(format!("{value} is no {types}"));
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            return Err(format!("{value} is none of {words:?}"));
        }
        if schema["format"] == "uuid" && value.as_str().is_some_and(|text| text.parse::<Uuid>().is_err()) {
            return Err(format!("{value} is no UUID"));
        }
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.fits(&schema["items"], item)),
            Value::Object(_) if schema["properties"].is_object() => {
                let required = schema["required"].as_array().cloned().unwrap_or_default();
                self.fits_fields(schema["properties"].as_object().unwrap(), &required, value)
            }
            _ => Ok(()),
        }
    }

    fn fits_fields(
        &self,
        fields: &Map<String, Value>,
        required: &[Value],
        value: &Value,
    ) -> Result<(), String> {
        let given = value.as_object().ok_or_else(|| format!("{value} is no object"))?;
        // The document's own answer is described by its version only.
        if fields.len() == 1 && fields.contains_key("openapi") {
            return Ok(());
        }
        for name in required {
            given.get(name.as_str().unwrap()).ok_or_else(|| format!("{name} is missing"))?;
        }
        for (name, value) in given {
            let field = fields.get(name).ok_or_else(|| format!("{name} is not in the document"))?;
            self.fits(field, value).map_err(|why| format!("{name}: {why}"))?;
        }
        Ok(())
    }

    fn flatten(&self, schema: &Value, fields: &mut Map<String, Value>, required: &mut Vec<Value>) {
        let schema = self.resolve(schema);
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.flatten(part, fields, required);
        }
        fields.extend(schema["properties"].as_object().cloned().unwrap_or_default());
        required.extend(schema["required"].as_array().cloned().unwrap_or_default());
    }
}

/// Every route of the router: its paths as it shows them to debuggers, its methods as it tells them to whoever asks with
/// another one.
pub(crate) async fn routes(house: &House, key: &str) -> BTreeSet<(String, String)> {
    let router: Router = query_api::router(QueryApi {
        store: house.store.clone(),
        directory: house.directory.clone(),
        clock: house.clock.clone(),
        rollups: query_api::report::Prefer::Auto,
        cache: query_api::report::CacheSize::OFF,
        api_limit: Rate::Off,
    });
    let shown = format!("{router:?}");
    let paths: BTreeSet<&str> = shown
        .split("RouteId(")
        .filter_map(|part| part.split_once("): \"")?.1.split_once('"'))
        .map(|(path, _)| path)
        .filter(|path| path.starts_with('/') && !path.contains("__private__"))
        .collect();
    assert!(paths.contains("/api/v1/websites"), "the router does not show its routes any more: {shown}");
    let mut routes = BTreeSet::new();
    for path in paths {
        if path == "/" || path.contains("{*") {
            continue;
        }
        let address = path
            .replace("{id}", &Uuid::new_v4().to_string())
            .replace("{erasure}", &Uuid::new_v4().to_string());
        let response = house.ask(Method::from_bytes(b"BREW").unwrap(), &address, Some(key), None).await;
        assert_eq!(response.status(), 405, "{path}");
        let allowed = response.headers()["allow"].to_str().unwrap().to_owned();
        // HEAD comes with GET.
        let methods = allowed.split(',').map(str::trim).filter(|method| *method != "HEAD");
        routes.extend(methods.map(|method| (method.to_owned(), path.to_owned())));
    }
    routes
}
