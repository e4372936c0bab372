//! The cursor beside a general parser, and on what is not well-formed.

use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::*;

/// The names of all elements, with the whole text of each that has no children.
fn flat(body: &str) -> XmlResult<Vec<(String, String)>> {
    fn descend(
        cursor: &mut XmlCursor<'_>,
        parent: &Element<'_>,
        found: &mut Vec<(String, String)>,
    ) -> XmlResult<()> {
        cursor.each_child(parent, |cursor, element| {
            found.push((element.name().to_owned(), String::new()));
            if element.name().starts_with('t') {
                let text = cursor.text(&element)?.into_owned();
                found.last_mut().unwrap().1 = text;
                return Ok(());
            }
            if element.name().starts_with('s') {
                return cursor.skip(&element);
            }
            descend(cursor, &element, found)
        })
    }
    let mut cursor = XmlCursor::over(body);
    let root = cursor.enter("root")?;
    let mut found = Vec::new();
    descend(&mut cursor, &root, &mut found)?;
    Ok(found)
}

/// The same by a general parser.
fn flat_by_another(body: &str) -> Vec<(String, String)> {
    let mut reader = Reader::from_str(body);
    let (mut found, mut path) = (Vec::<(String, String)>::new(), Vec::<(String, usize)>::new());
    loop {
        let event = reader.read_event().unwrap();
        let is_skipped = path.iter().any(|(name, _)| name.starts_with(['s', 't']));
        match event {
            Event::Start(start) => {
                let name = start.name().into_inner().to_owned();
                path.push((name.clone(), found.len()));
                if path.len() > 1 && !is_skipped {
                    found.push((name, String::new()));
                }
            }
            Event::Empty(start) if !is_skipped => {
                found.push((start.name().into_inner().to_owned(), String::new()));
            }
            Event::End(_) => drop(path.pop()),
            Event::Text(text) => add_to_last(&path, &mut found, &text.into_inner()),
            Event::CData(text) => add_to_last(&path, &mut found, &text.into_inner()),
            Event::GeneralRef(name) => {
                let name = name.into_inner();
                let text = unescape(&format!("&{name};")).unwrap().into_owned();
                add_to_last(&path, &mut found, &text);
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

fn add_to_last(path: &[(String, usize)], found: &mut [(String, String)], text: &str) {
    let Some((name, index)) = path.last() else { return };
    let is_skipped = path[..path.len() - 1].iter().any(|(name, _)| name.starts_with(['s', 't']));
    if name.starts_with('t') && !is_skipped {
        found[*index].1.push_str(text);
    }
}

fn element() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "[a-z >\"'é\n]{0,8}",
        Just("&amp;&#65;&#x42;&lt;".to_owned()),
        Just("<![CDATA[<a>&]]>".to_owned()),
        Just("<!-- </t> -->".to_owned()),
        Just("<?x </s>?>".to_owned()),
    ];
    let leaf = ("[tsg][a-z-]{0,6}", prop::collection::vec(text, 0..3), any::<bool>()).prop_map(
        |(name, text, empty)| {
            if empty {
                format!("<{name} />")
            } else {
                format!("<{name}>{}</{name}>", text.concat())
            }
        },
    );
    leaf.prop_recursive(3, 24, 4, |inner| {
        ("[tsg][a-z-]{0,6}", " ?", prop::collection::vec(inner, 0..4)).prop_map(
            |(name, blank, children)| {
                format!("<{name} a=\"/>\" b='x'>{}</{name}{blank}>", children.concat())
            },
        )
    })
}

proptest! {
    #[test]
    fn a_general_parser_reads_the_same(children in prop::collection::vec(element(), 0..5)) {
        let body = format!("\u{feff}<?xml version=\"1.0\"?>\n<root>{}</root>", children.concat());
        prop_assert_eq!(flat(&body).unwrap(), flat_by_another(body.trim_start_matches('\u{feff}')));
        for (end, _) in body.char_indices() {
            prop_assert!(flat(&body[..end]).is_err(), "cut at {}: {}", end, body);
        }
    }

    #[test]
    fn no_body_causes_a_panic(body in "[<>/!?&;#a\"'= -]{0,40}") {
        let _ = flat(&format!("<root>{body}</root>"));
        let _ = flat(&body);
    }
}

#[test]
fn malformed_xml_is_an_error() {
    for inner in [
        "<a></b>",
        "<a><b></a></b>",
        "<>",
        "< a/>",
        "<a<b/>",
        "<!DOCTYPE x>",
        "</a>",
        "<t>&lt</t>",
        "<t>&x;</t>",
        "<t>&#;</t>",
        "<t>&#0;</t>",
        "<t>&#xd800;</t>",
        "<t>&#+65;</t>",
        "<t>a & b</t>",
    ] {
        assert!(flat(&format!("<root>{inner}</root>")).is_err(), "{inner}");
    }
}

#[test]
fn attributes_are_found_by_their_whole_name() {
    let has = |tag: &str| {
        let body = format!("<root>{tag}</root>");
        let mut cursor = XmlCursor::over(&body);
        cursor.enter("root").unwrap();
        cursor.next_child("root").unwrap().unwrap().has_attribute("Encoded", "true")
    };
    for tag in ["<a Encoded=\"true\"/>", "<a x='>' Encoded = 'True' />", "<a\nEncoded='true'></a>"]
    {
        assert!(has(tag), "{tag}");
    }
    for tag in [
        "<a/>",
        "<a xEncoded='true'/>",
        "<a Encoded='false'/>",
        "<a x='Encoded=true'/>",
        "<a Encoded/>",
    ] {
        assert!(!has(tag), "{tag}");
    }
}
