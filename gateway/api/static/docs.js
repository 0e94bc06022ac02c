"use strict";
// Shows openapi.json. Everything is put in as text, never as markup.

function make(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// Text with `code` in back quotes.
function prose(text) {
  const paragraph = make("span");
  text.split("`").forEach((part, index) => {
    if (part) paragraph.append(index % 2 ? make("code", part) : part);
  });
  return paragraph;
}

function typeOf(schema) {
  if (!schema) return "bytes";
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return make("a", name, { href: `#schema-${name}` });
  }
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return join(options.map(typeOf), " | ");
  if (schema.type === "array") return join(["array of ", typeOf(schema.items)], "");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  return [schema.type, schema.format].filter(Boolean).join(", ") || "any";
}

function join(parts, separator) {
  const span = make("span");
  parts.forEach((part, index) => span.append(...(index && separator ? [separator, part] : [part])));
  return span;
}

function table(head, rows) {
  const element = make("table");
  const first = make("tr");
  first.append(...head.map((text) => make("th", text)));
  element.append(first);
  for (const cells of rows) {
    const row = make("tr");
    for (const cell of cells) {
      const column = make("td");
      column.append(cell);
      row.append(column);
    }
    element.append(row);
  }
  return element;
}

function operation(method, path, found) {
  const article = make("article", undefined, { id: found.operationId });
  const title = make("h2");
  title.append(make("span", method.toUpperCase(), { class: "method" }), make("code", path));
  title.append(make("span", found["x-scope"] ? ` scope ${found["x-scope"]}` : " no token needed", { class: "scope" }));
  article.append(title, make("p", found.summary));
  if (found.description) {
    const more = make("p");
    more.append(prose(found.description));
    article.append(more);
  }
  if (found.parameters.length)
    article.append(
      table(
        ["Parameter", "In", "Type", ""],
        found.parameters.map((p) => [make("code", p.name), p.in, typeOf(p.schema), prose(p.description)]),
      ),
    );
  const body = found.requestBody?.content["application/json"]?.schema;
  if (body) article.append(table(["Body", "Type"], [["application/json", typeOf(body)]]));
  const rows = [];
  for (const [status, response] of Object.entries(found.responses)) {
    const kinds = Object.entries(response.content ?? { "no body": {} });
    for (const [kind, content] of kinds)
      rows.push([status, make("code", kind), content.schema ? typeOf(content.schema) : "", response.description]);
  }
  article.append(table(["Status", "Answer", "Type", ""], rows));
  return article;
}

function schema(name, found) {
  const article = make("article", undefined, { id: `schema-${name}` });
  article.append(make("h2", name));
  if (found.description) article.append(make("p", found.description));
  const required = new Set(found.required ?? []);
  const rows = Object.entries(found.properties ?? {}).map(([field, value]) => [
    make("code", field + (required.has(field) ? "" : "?")),
    typeOf(value),
    value.description ?? "",
  ]);
  if (rows.length) article.append(table(["Field", "Type", ""], rows));
  else article.append(make("pre", JSON.stringify(found, null, 2)));
  return article;
}

async function show() {
  const operations = document.getElementById("operations");
  const response = await fetch("openapi.json");
  if (!response.ok) throw new Error(`openapi.json: ${response.status}`);
  const found = await response.json();
  document.getElementById("version").textContent = found.info.version;
  document.getElementById("about").textContent = found.info.description;
  const contents = make("ul");
  operations.replaceChildren(make("h1", "Operations"));
  for (const [path, methods] of Object.entries(found.paths))
    for (const [method, one] of Object.entries(methods)) {
      const item = make("li");
      item.append(make("a", `${method.toUpperCase()} ${path}`, { href: `#${one.operationId}` }));
      contents.append(item);
      operations.append(operation(method, path, one));
    }
  document.getElementById("contents").append(contents);
  const schemas = document.getElementById("schemas");
  schemas.append(make("h1", "Types"));
  for (const [name, one] of Object.entries(found.components.schemas)) schemas.append(schema(name, one));
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

show().catch((error) => {
  document.getElementById("operations").textContent = `The document cannot be shown: ${error.message}`;
});
