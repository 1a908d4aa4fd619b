//! Renders an image as SVG.

use std::fmt::Write;

use super::layout::{Anchor, Area, Color, Pen, Scene, Shape};

pub(super) fn draw(scene: &Scene) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write(scene, &mut text);
    text
}

fn write(scene: &Scene, out: &mut String) -> std::fmt::Result {
    let (width, height) = (Short(scene.width), Short(scene.height));
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"system-ui, 'DejaVu Sans', sans-serif\">"
    )?;
    writeln!(out, "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>")?;
    let mut clips: Vec<Area> = Vec::new();
    for shape in &scene.shapes {
        match shape {
            Shape::Stroke { points, pen, clip } => {
                let clip = match clip {
                    None => None,
                    Some(area) => Some(clip_number(&mut clips, *area, out)?),
                };
                stroke(points, *pen, clip, out)?;
            }
            Shape::Fill { points, color, opacity, clip } => {
                let clip = clip_number(&mut clips, *clip, out)?;
                write!(out, "<polygon fill=\"{}\" opacity=\"{opacity}\"", Hex(*color))?;
                write!(out, " clip-path=\"url(#c{clip})\"")?;
                points_of(points, out)?;
            }
            Shape::Text { at: [x, y], anchor, text, size, color } => {
                let (x, y, color) = (Short(*x), Short(*y), Hex(*color));
                write!(out, "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" fill=\"{color}\"")?;
                match anchor {
                    Anchor::Start => {}
                    Anchor::Middle => write!(out, " text-anchor=\"middle\"")?,
                    Anchor::End => write!(out, " text-anchor=\"end\"")?,
                }
                writeln!(out, ">{}</text>", escaped(text))?;
            }
        }
    }
    writeln!(out, "</svg>")
}

/// The number of a clip path, which is defined at its first use.
fn clip_number(
    clips: &mut Vec<Area>,
    area: Area,
    out: &mut String,
) -> Result<usize, std::fmt::Error> {
    if let Some(known) = clips.iter().position(|clip| *clip == area) {
        return Ok(known);
    }
    let number = clips.len();
    clips.push(area);
    let (x, y, width, height) =
        (Short(area.x), Short(area.y), Short(area.width), Short(area.height));
    writeln!(
        out,
        "<clipPath id=\"c{number}\"><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" \
         height=\"{height}\"/></clipPath>"
    )?;
    Ok(number)
}

fn stroke(
    points: &[[f32; 2]],
    pen: Pen,
    clip: Option<usize>,
    out: &mut String,
) -> std::fmt::Result {
    write!(out, "<polyline fill=\"none\" stroke=\"{}\"", Hex(pen.color))?;
    write!(out, " stroke-width=\"{}\"", Short(pen.width))?;
    if pen.opacity < 1.0 {
        write!(out, " opacity=\"{}\"", pen.opacity)?;
    }
    if !pen.dashes.is_empty() {
        let dashes: Vec<_> = pen.dashes.iter().map(f32::to_string).collect();
        write!(out, " stroke-dasharray=\"{}\"", dashes.join(" "))?;
    }
    if let Some(clip) = clip {
        write!(out, " stroke-linejoin=\"round\" clip-path=\"url(#c{clip})\"")?;
    }
    points_of(points, out)
}

fn points_of(points: &[[f32; 2]], out: &mut String) -> std::fmt::Result {
    write!(out, " points=\"")?;
    for (i, [x, y]) in points.iter().enumerate() {
        let space = if i == 0 { "" } else { " " };
        write!(out, "{space}{},{}", Short(*x), Short(*y))?;
    }
    writeln!(out, "\"/>")
}

/// A coordinate, rounded to a tenth.
struct Short(f32);

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenths = (self.0 * 10.0).round() / 10.0;
        write!(f, "{}", tenths + 0.0) // no -0
    }
}

struct Hex(Color);

impl std::fmt::Display for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(Color(red, green, blue)) = self;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// Escapes names from logs, which must not end the text or contain characters that XML does not
/// allow.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c if c.is_control() => escaped.extend(c.escape_default()),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_end_the_text_they_stand_in() {
        assert_eq!(
            escaped("</text><script>&\u{1b}[2J\0\u{ffff}é損"),
            "&lt;/text&gt;&lt;script&gt;&amp;\\u{1b}[2J\\u{0}\u{fffd}é損"
        );
    }
}
