//! Conditions on runs: `val/loss:min < 0.3 and optimizer == adam`.

use std::str::FromStr;

use regex::Regex;
use winnow::ascii::multispace0;
use winnow::combinator::{alt, cut_err, delimited, eof, not, opt, preceded, repeat, terminated};
use winnow::error::{StrContext, StrContextValue};
use winnow::prelude::*;
use winnow::token::{one_of, take_till, take_while};

use super::{Cell, Column, ColumnNames, RunRow};
use tbx::error::{Error, Result};

/// A condition on the rows of a [`RunTable`](super::RunTable).
///
/// ```
/// use tbx_runs::table::{Filter, ColumnNames, RunTable, TableOptions};
/// use tbx::{LoadOptions, Logdir};
///
/// let logdir = Logdir::open("fixtures/torch")?;
/// let table = RunTable::load(&logdir, &LoadOptions::new(), &TableOptions::new())?;
/// let filter: Filter = "loss:min < 0 and not run =~ '^scalars'".parse()?;
/// let filter = filter.bind(&ColumnNames::of(&table))?;
/// let found: Vec<_> = table.rows.iter().filter(|row| filter.accepts(row)).collect();
/// assert_eq!(found[0].name, "resumed");
/// # Ok::<(), tbx::Error>(())
/// ```
///
/// # Language
///
/// | element | syntax |
/// |---|---|
/// | a column | `lr`, `val/loss`, `val/loss:min`, `run`, `status`; in backquotes if it contains characters other than letters, digits and `_ . / : -` |
/// | a value | a number, `true`, `false`, a word, a text in `'` or `"`; a column in backquotes |
/// | comparison | `==` (or `=`), `!=`, `<`, `<=`, `>`, `>=` |
/// | match | `=~` and `!~` with a regular expression, anywhere in the text |
/// | presence | a column alone: the run has a value in it |
/// | logic | `and` (`&&`), `or` (`\|\|`), `not` (`!`), parentheses |
///
/// `not` binds tighter than `and`, which binds tighter than `or`. No comparison is true for a
/// missing value; `not lr` is true if the run lacks `lr`. A text that is a number
/// ([`number::of_text`](super::number::of_text)) is compared as a number. Times are in seconds
/// since the Unix epoch, durations in seconds.
#[derive(Debug, Clone)]
pub struct Filter(Expr);

#[derive(Debug, Clone)]
enum Expr {
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    Has(Operand),
    Compare(Operand, Comparison, Operand),
    Match(Operand, Regex),
}

#[derive(Debug, Clone)]
enum Operand {
    /// A column by name, before the table is known.
    Name(String),
    Column(Column),
    Value(Cell),
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Equal,
    /// Like `==`, but written as `=`.
    SingleEqual,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Parses a condition.
///
/// # Errors
///
/// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): the text is not a condition. The error
/// shows the place.
impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        terminated(any_of, (multispace0, eof)).parse(text).map(Self).map_err(|error| {
            let at = error.offset();
            let inner = error.inner();
            let expected = inner.context().find_map(|context| match context {
                StrContext::Expected(what) => Some(format!("expected {what}")),
                _ => None,
            });
            // The last line of a regular expression's error describes the problem.
            let cause = inner.cause().map(ToString::to_string).and_then(|cause| {
                let last = cause.lines().last()?;
                Some(last.strip_prefix("error: ").unwrap_or(last).to_owned())
            });
            let unread = "this cannot be read; the comparisons are == != < <= > >= =~ !~, which \
                          can be joined with and, or";
            let what = cause.or(expected).unwrap_or(unread.into());
            // Columns count characters, because the marker is printed below a line of them.
            let column = text.get(..at).unwrap_or(text).chars().count();
            let marker = format!("{:column$}^", "");
            Error::argument(format!(
                "condition, column {}: {what}\n  {text}\n  {marker}",
                column + 1
            ))
        })
    }
}

impl Filter {
    /// Resolves the names in the condition to columns of a table.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): the condition names a column that the
    /// table does not have.
    pub fn bind(self, names: &ColumnNames<'_>) -> Result<Self> {
        self.0.bind(names).map(Self)
    }

    /// Whether the condition compares with `=`, which means `==`.
    pub fn has_single_equal(&self) -> bool {
        self.0.has_single_equal()
    }

    /// Whether the condition is true for `row`.
    pub fn accepts(&self, row: &RunRow) -> bool {
        self.0.accepts(row)
    }
}

impl Expr {
    fn bind(self, names: &ColumnNames<'_>) -> Result<Self> {
        let all = |exprs: Vec<Self>| -> Result<Vec<Self>> {
            exprs.into_iter().map(|expr| expr.bind(names)).collect()
        };
        Ok(match self {
            Self::All(exprs) => Self::All(all(exprs)?),
            Self::Any(exprs) => Self::Any(all(exprs)?),
            Self::Not(expr) => Self::Not(Box::new(expr.bind(names)?)),
            Self::Has(column) => Self::Has(column.bind(names)?),
            Self::Compare(a, comparison, b) => {
                Self::Compare(a.bind(names)?, comparison, b.bind(names)?)
            }
            Self::Match(column, regex) => Self::Match(column.bind(names)?, regex),
        })
    }

    fn has_single_equal(&self) -> bool {
        match self {
            Self::All(exprs) | Self::Any(exprs) => exprs.iter().any(Self::has_single_equal),
            Self::Not(expr) => expr.has_single_equal(),
            Self::Compare(_, comparison, _) => matches!(comparison, Comparison::SingleEqual),
            Self::Has(_) | Self::Match(..) => false,
        }
    }

    fn accepts(&self, row: &RunRow) -> bool {
        match self {
            Self::All(exprs) => exprs.iter().all(|expr| expr.accepts(row)),
            Self::Any(exprs) => exprs.iter().any(|expr| expr.accepts(row)),
            Self::Not(expr) => !expr.accepts(row),
            Self::Has(column) => !column.of(row).is_empty(),
            Self::Compare(a, comparison, b) => comparison.holds(&a.of(row), &b.of(row)),
            Self::Match(column, regex) => match column.of(row) {
                Cell::Empty => false,
                cell => regex.is_match(&cell.to_string()),
            },
        }
    }
}

impl Operand {
    fn bind(self, names: &ColumnNames<'_>) -> Result<Self> {
        match self {
            Self::Name(name) => names.column(&name).map(Self::Column),
            other => Ok(other),
        }
    }

    fn of(&self, row: &RunRow) -> Cell {
        match self {
            Self::Name(_) => Cell::Empty,
            Self::Column(column) => column.of(row),
            Self::Value(value) => value.clone(),
        }
    }
}

impl Comparison {
    fn holds(self, a: &Cell, b: &Cell) -> bool {
        if a.is_empty() || b.is_empty() {
            return false;
        }
        let order = match (a.number(), b.number()) {
            (Some(a), Some(b)) => a.partial_cmp(&b),
            _ => Some(a.to_string().cmp(&b.to_string())),
        };
        match self {
            Self::Equal | Self::SingleEqual => order.is_some_and(|order| order.is_eq()),
            Self::Unequal => !order.is_some_and(|order| order.is_eq()),
            Self::Less => order.is_some_and(|order| order.is_lt()),
            Self::LessOrEqual => order.is_some_and(|order| order.is_le()),
            Self::Greater => order.is_some_and(|order| order.is_gt()),
            Self::GreaterOrEqual => order.is_some_and(|order| order.is_ge()),
        }
    }
}

/// Conditions. At least one must hold.
fn any_of(input: &mut &str) -> ModalResult<Expr> {
    let mut exprs = vec![all_of(input)?];
    let more: Vec<_> =
        repeat(0.., preceded(keyword("or", "||"), cut_err(all_of))).parse_next(input)?;
    exprs.extend(more);
    Ok(one_or(exprs, Expr::Any))
}

/// Conditions. All must hold.
fn all_of(input: &mut &str) -> ModalResult<Expr> {
    let mut exprs = vec![term(input)?];
    let more: Vec<_> =
        repeat(0.., preceded(keyword("and", "&&"), cut_err(term))).parse_next(input)?;
    exprs.extend(more);
    Ok(one_or(exprs, Expr::All))
}

fn one_or(mut exprs: Vec<Expr>, several: fn(Vec<Expr>) -> Expr) -> Expr {
    match (exprs.pop(), exprs.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            exprs.extend(last);
            several(exprs)
        }
    }
}

fn term(input: &mut &str) -> ModalResult<Expr> {
    let negated = preceded(keyword("not", "!"), cut_err(term)).map(|e| Expr::Not(Box::new(e)));
    let grouped =
        delimited(sign("("), cut_err(any_of), cut_err(sign(")").context(expected("`)`"))));
    alt((negated, grouped, comparison)).parse_next(input)
}

fn comparison(input: &mut &str) -> ModalResult<Expr> {
    let column = column.context(expected("a column")).parse_next(input)?;
    if let Some(negated) =
        opt(alt((sign("=~").value(false), sign("!~").value(true)))).parse_next(input)?
    {
        let regex = cut_err(regex.context(expected("a regular expression"))).parse_next(input)?;
        let matches = Expr::Match(column, regex);
        return Ok(if negated { Expr::Not(Box::new(matches)) } else { matches });
    }
    let mut comparison = opt(alt((
        sign("==").value(Comparison::Equal),
        sign("!=").value(Comparison::Unequal),
        sign("<=").value(Comparison::LessOrEqual),
        sign(">=").value(Comparison::GreaterOrEqual),
        sign("<").value(Comparison::Less),
        sign(">").value(Comparison::Greater),
        sign("=").value(Comparison::SingleEqual),
    )));
    match comparison.parse_next(input)? {
        None => Ok(Expr::Has(column)),
        Some(comparison) => {
            let value = cut_err(value.context(expected("a value"))).parse_next(input)?;
            Ok(Expr::Compare(column, comparison, value))
        }
    }
}

/// A column name.
fn column(input: &mut &str) -> ModalResult<Operand> {
    let bare = take_while(1.., |c: char| c.is_alphanumeric() || "_./:-".contains(c));
    let name = preceded(multispace0, alt((between('`'), bare))).verify(|name: &str| !is_word(name));
    name.map(|name: &str| Operand::Name(name.into())).parse_next(input)
}

fn is_word(name: &str) -> bool {
    matches!(name, "and" | "or" | "not")
}

fn value(input: &mut &str) -> ModalResult<Operand> {
    let text = |text: &str| Operand::Value(text.into());
    let column = between('`').map(|name: &str| Operand::Name(name.into()));
    preceded(multispace0, alt((column, quoted.map(text), bare.map(literal)))).parse_next(input)
}

/// An unquoted word.
fn literal(word: &str) -> Operand {
    Operand::Value(Cell::from(word).meaning())
}

fn regex(input: &mut &str) -> ModalResult<Regex> {
    multispace0.parse_next(input)?; // so that an error points at the expression
    alt((quoted, bare)).try_map(Regex::new).parse_next(input)
}

/// A word that ends at whitespace, a parenthesis or a quote.
fn bare<'s>(input: &mut &'s str) -> ModalResult<&'s str> {
    take_till(1.., |c: char| c.is_whitespace() || "()'\"`".contains(c)).parse_next(input)
}

fn quoted<'s>(input: &mut &'s str) -> ModalResult<&'s str> {
    alt((between('\''), between('"'))).parse_next(input)
}

fn between<'s>(quote: char) -> impl ModalParser<&'s str, &'s str, winnow::error::ContextError> {
    delimited(quote, take_till(0.., quote), cut_err(quote.context(expected("the closing quote"))))
}

/// One of the two forms of a logical operator.
fn keyword<'s>(
    word: &'static str,
    sign: &'static str,
) -> impl ModalParser<&'s str, (), winnow::error::ContextError> {
    let word = terminated(word, not(one_of(|c: char| c.is_alphanumeric() || "_./:-".contains(c))));
    // `!=` and `!~` are other operators.
    let sign = terminated(sign, not(one_of(['=', '~'])));
    preceded(multispace0, alt((word, sign))).void()
}

fn sign<'s>(sign: &'static str) -> impl ModalParser<&'s str, (), winnow::error::ContextError> {
    preceded(multispace0, sign).void()
}

fn expected(what: &'static str) -> StrContext {
    StrContext::Expected(StrContextValue::Description(what))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::table::RunTable;
    use tbx::meta::Param;

    fn table() -> RunTable {
        let params: BTreeMap<String, Param> = [
            ("lr", Param::Number(0.1)),
            ("bias", Param::Bool(true)),
            ("optimizer", Param::Text("adam".into())),
            ("layers", Param::Text("3".into())),
            ("rate", Param::Text("1e-3".into())),
            ("size", Param::Text(" 10 ".into())),
            ("flag", Param::Text("True".into())),
            ("id", Param::Text("12345678901234567890".into())),
            ("hex", Param::Text("0x10".into())),
            ("a b", Param::Text("it's".into())),
            ("nan", Param::Number(f64::NAN)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let row = RunRow { name: "exp/first".into(), params, ..RunRow::default() };
        let other = [("other".to_owned(), Param::Number(1.0))].into();
        let second = RunRow { name: "second".into(), params: other, ..RunRow::default() };
        RunTable { rows: vec![row, second], report: tbx::error::Report::default() }
    }

    fn holds(text: &str) -> bool {
        let table = table();
        let filter = text.parse::<Filter>().unwrap().bind(&ColumnNames::of(&table));
        filter.unwrap_or_else(|error| panic!("{text}: {error}")).accepts(&table.rows[0])
    }

    #[test]
    fn conditions_that_hold() {
        for text in [
            "lr == 0.1",
            "lr=0.1",
            "lr < 1e+3 and lr >= 0.1",
            "bias == true",
            "optimizer == adam",
            "optimizer == 'adam'",
            "optimizer != \"sgd\"",
            "layers == 3.0",
            "layers < 10",
            "layers == '3.0'",
            "size > '9' and size > `layers`",
            "rate == 0.001 and rate == '0.0010'",
            "flag == true and flag != False",
            "id == 12345678901234567890 and id != 12345678901234567891",
            "hex == 0x10 and hex != 16",
            "`a b` == \"it's\"",
            "run =~ ^exp/ && run !~ second",
            "lr == 1 or bias == true",
            "not (lr == 1 or lr == 2)",
            "!(lr == 1) and not other",
            "lr",
            "lr != 1 && !other",
            "lr == `lr`",
            "(((lr)))",
            "lr == 1 and lr == 1 or lr == 0.1", // `and` binds tighter
            "not lr == 1 and bias == true",     // `not` tighter still
            "nan != nan",
        ] {
            assert!(holds(text), "{text}");
        }
    }

    #[test]
    fn conditions_that_do_not_hold() {
        for text in [
            "lr == 0.2",
            "other == 1",
            "other != 1", // the row has no such value
            "optimizer < 1",
            "bias == false",
            "nan == nan",
            "nan < 1 or nan >= 1",
            "run =~ '^first'",
            "not lr",
        ] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_pointed_at() {
        for (text, column, what) in [
            ("lr <", 5, "expected a value"),
            ("lr < 1 and", 11, "expected a column"),
            ("(lr < 1", 8, "expected `)`"),
            ("lr =~ '('", 7, "unclosed group"),
            ("lr =~", 6, "expected a regular expression"),
            ("lr == 'x", 9, "expected the closing quote"),
            ("lr < 1 lr > 2", 8, "this cannot be read"),
            ("", 1, "expected a column"),
            ("größe <", 8, "expected a value"),
        ] {
            let error = text.parse::<Filter>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("condition, column {column}: {what}")), "{error}");
            assert!(error.ends_with(&format!("\n  {}^", " ".repeat(column - 1))), "{error}");
        }
    }

    #[test]
    fn a_column_that_is_not_there_is_said_with_those_like_it() {
        let table = table();
        let error = "optimiser == adam".parse::<Filter>().unwrap().bind(&ColumnNames::of(&table));
        let error = error.unwrap_err().to_string();
        assert_eq!(error, "there is no column \"optimiser\"; did you mean optimizer?");
    }
}
