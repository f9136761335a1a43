// Renders /api/openapi.json for readers. Everything is put in as text, never as markup.
"use strict";

const METHODS = ["get", "post", "patch", "put", "delete", "options"];

// An element with attributes and children; texts become text, `code` in backticks becomes code.
function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  for (const child of children.flat()) if (child !== null && child !== undefined) element.append(child);
  return element;
}

function prose(text) {
  return (text || "").split("`").map((part, at) => (at % 2 ? make("code", {}, part) : part));
}

// What a reference points to.
function resolve(whole, thing) {
  if (!thing || !thing.$ref) return thing || {};
  return thing.$ref.slice(2).split("/").reduce((at, name) => at[name], whole);
}

// A schema as an example of its form: {"id": "uuid", …}.
function sketch(whole, schema, depth = 0) {
  const is = resolve(whole, schema);
  if (is.example !== undefined) return is.example;
  if (is.enum) return is.enum.join(" | ");
  const choices = is.oneOf || is.anyOf;
  if (choices) return sketch(whole, choices[0], depth);
  if (is.allOf) return Object.assign({}, ...is.allOf.map((part) => sketch(whole, part, depth)));
  const types = [].concat(is.type || []);
  if (types.includes("array")) return depth > 8 ? [] : [sketch(whole, is.items, depth + 1)];
  if (types.includes("object")) {
    const fields = Object.entries(is.properties || {});
    return Object.fromEntries(fields.map(([name, field]) => [name, sketch(whole, field, depth + 1)]));
  }
  return is.format || types.join(" | ");
}

function describe(schema) {
  if (schema.enum) return schema.enum.join(", ");
  const bounds = [schema.minimum, schema.maximum].filter((bound) => bound !== undefined).join(" to ");
  return [[].concat(schema.type).join(" or "), schema.format, bounds].filter(Boolean).join(", ");
}

function json(whole, schema) {
  return make("pre", {}, JSON.stringify(sketch(whole, schema), null, 2));
}

function parameters(whole, operation) {
  const given = operation.parameters || [];
  if (given.length === 0) return null;
  const row = (parameter) =>
    make("tr", {},
      make("td", {}, make("code", {}, parameter.name), parameter.required ? " *" : ""),
      make("td", {}, parameter.in),
      make("td", {}, describe(resolve(whole, parameter.schema))),
      make("td", {}, prose(parameter.description)));
  return [make("h3", {}, "Parameters"), make("table", {}, make("tbody", {}, given.map(row)))];
}

function answers(whole, operation) {
  const row = ([status, answer]) => {
    const is = resolve(whole, answer);
    const content = (is.content || {})["application/json"];
    const form = status < 300 && content ? json(whole, content.schema) : null;
    return make("tr", {}, make("td", {}, status), make("td", {}, prose(is.description), form));
  };
  return [make("h3", {}, "Answers"), make("table", {}, make("tbody", {}, Object.entries(operation.responses).map(row)))];
}

function operationView(whole, path, method, operation) {
  const body = ((operation.requestBody || {}).content || {})["application/json"];
  const sent = body
    ? [make("h3", {}, "Body"), make("pre", {}, JSON.stringify(body.example || sketch(whole, body.schema), null, 2))]
    : null;
  return make("details", { id: operation.operationId },
    make("summary", {},
      make("span", { class: "method" }, method.toUpperCase()), make("code", {}, path), " ",
      make("span", { class: "note" }, operation.summary),
      operation.security ? make("span", { class: "key note" }, "API key") : null),
    make("div", {},
      make("p", {}, prose(operation.description)), parameters(whole, operation), sent, answers(whole, operation)));
}

function view(whole) {
  const all = Object.entries(whole.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => [path, method, item[method]]));
  const groups = whole.tags.map((tag) => [
    make("h2", { id: tag.name }, tag.name),
    make("p", { class: "note" }, prose(tag.description)),
    all.filter(([, , operation]) => operation.tags.includes(tag.name))
      .map(([path, method, operation]) => operationView(whole, path, method, operation)),
  ]);
  return [
    make("h1", {}, whole.info.title),
    make("p", { class: "note" }, "Version " + whole.info.version + " · ",
      make("a", { href: "/api/openapi.json" }, "openapi.json")),
    make("p", {}, prose(whole.info.description)),
    groups.flat(2),
  ].flat();
}

async function show() {
  const main = document.getElementById("document");
  try {
    const response = await fetch("/api/openapi.json");
    if (!response.ok) throw new Error("the server answered " + response.status);
    main.replaceChildren(...view(await response.json()));
  } catch (error) {
    main.replaceChildren(make("p", {}, "The document could not be read: " + error.message + "."));
  }
}

show();
