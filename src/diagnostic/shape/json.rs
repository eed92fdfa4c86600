//! A shape as JSON Schema (draft 2020-12).

use serde_json::{Map, Value as Json, json};

use super::{Need, Shape, Type};

impl Shape {
    /// The schema of a file of this shape. `id` is its `$id`, `title` what editors call the file.
    pub fn json_schema(&self, id: &str, title: &str) -> Json {
        let mut schema = Map::new();
        schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        schema.insert("$id".to_owned(), json!(id));
        schema.insert("title".to_owned(), json!(title));
        schema.extend(self.object());
        Json::Object(schema)
    }

    fn object(&self) -> Map<String, Json> {
        let mut properties = Map::new();
        for key in self.keys {
            let mut value = key.value.schema();
            // An alternative says itself what it is for; the key says it for all of them.
            value.insert("description".to_owned(), json!(key.about));
            properties.insert(key.name.to_owned(), Json::Object(value));
        }
        let required: Vec<&str> =
            self.keys.iter().filter(|k| k.need == Need::Required).map(|k| k.name).collect();
        let mut object = Map::new();
        object.insert("description".to_owned(), json!(self.about));
        object.insert("type".to_owned(), json!("object"));
        object.insert("properties".to_owned(), Json::Object(properties));
        object.insert("required".to_owned(), json!(required));
        let others = self.names.map_or(json!(false), |names| Json::Object(names.schema()));
        object.insert("additionalProperties".to_owned(), others);
        if !self.choices.is_empty() {
            let group = |keys: &&[&str]| json!({ "required": keys });
            let choice =
                |groups: &&[&[&str]]| json!({ "anyOf": groups.iter().map(group).collect::<Vec<_>>() });
            let all: Vec<Json> = self.choices.iter().map(choice).collect();
            object.insert("allOf".to_owned(), json!(all));
        }
        object
    }
}

impl Type {
    fn schema(&self) -> Map<String, Json> {
        let schema = match self {
            Self::Text(text) => match text.pattern {
                Some(pattern) => json!({ "type": "string", "pattern": pattern, "examples": [text.example] }),
                None => json!({ "type": "string", "minLength": 1, "examples": [text.example] }),
            },
            Self::Word(words) => json!({ "enum": words }),
            Self::Integer(least) => json!({ "type": "integer", "minimum": least }),
            Self::Number => json!({ "type": "number" }),
            Self::Boolean => json!({ "type": "boolean" }),
            Self::True => json!({ "const": true }),
            Self::Instant => json!({ "type": "string", "format": "date-time" }),
            Self::List(of) => json!({ "type": "array", "items": of.schema(), "minItems": 1 }),
            Self::Any(of) => json!({ "type": "array", "items": of.schema() }),
            Self::Table(shape) => return shape.object(),
            Self::OneOf(types) => {
                json!({ "anyOf": types.iter().map(|t| Json::Object(t.schema())).collect::<Vec<_>>() })
            }
        };
        match schema {
            Json::Object(map) => map,
            _ => Map::new(),
        }
    }
}
