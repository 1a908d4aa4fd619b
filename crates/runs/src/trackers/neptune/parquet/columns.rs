//! Reads columns of a Parquet file, one batch of rows at a time.

use parquet::basic::{ConvertedType, Encoding, LogicalType, TimeUnit};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::{ColumnReaderImpl, get_column_reader};
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::RowGroupReader;
use parquet::schema::types::ColumnDescriptor;

/// Digits after the point of the steps that are returned.
const MILLIONTHS: i32 = 6;
/// Maximum size in bytes of the elements of the lists of a row group, which may all be in one row.
const MAX_LISTS: usize = 256 << 20;

/// The pages of a column, as far as they take no more memory than they should.
struct Pages {
    pages: Box<dyn PageReader>,
    /// How many more values there may be.
    left: usize,
}

impl Pages {
    /// Refuses pages that unpack to more than they seem to.
    fn check(&mut self, page: &Page) -> Result<()> {
        if matches!(page, Page::DictionaryPage { .. }) {
            return Ok(());
        }
        // Each value can repeat a long part of the one before it. The exporter does not write this encoding.
        if page.encoding() == Encoding::DELTA_BYTE_ARRAY {
            let what = "a page has the encoding DELTA_BYTE_ARRAY, which is not read";
            return Err(ParquetError::General(what.into()));
        }
        let values = usize::try_from(page.num_values()).ok();
        self.left = values.and_then(|values| self.left.checked_sub(values)).ok_or_else(|| {
            let what = format!("the lists of a row group have more than {MAX_LISTS} bytes");
            ParquetError::General(what)
        })?;
        Ok(())
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        page.as_ref().map_or(Ok(()), |page| self.check(page))?;
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

/// A reader of the column `index` with at most `most` values.
fn reader<T: DataType>(
    group: &dyn RowGroupReader,
    index: usize,
    most: usize,
) -> Result<ColumnReaderImpl<T>> {
    let column = group.metadata().column(index).column_descr_ptr();
    let pages = Pages { pages: group.get_column_page_reader(index)?, left: most };
    T::get_column_reader(get_column_reader(column, Box::new(pages)))
        .ok_or_else(|| ParquetError::General("a column of another type".into()))
}

/// A column with one optional value per row.
pub(super) struct Column<T: DataType> {
    reader: ColumnReaderImpl<T>,
    /// The level of a value that is there.
    defined: i16,
    levels: Vec<i16>,
    values: Vec<T::T>,
    /// The next value in `values`.
    next: usize,
}

impl<T: DataType> Column<T> {
    /// The column `index`. `None` if the row group has no value in it.
    pub(super) fn open(group: &dyn RowGroupReader, index: Option<usize>) -> Result<Option<Self>> {
        let Some(index) = index.filter(|index| has_values(group, *index)) else { return Ok(None) };
        let defined = group.metadata().column(index).column_descr().max_def_level();
        let reader = reader(group, index, usize::MAX)?;
        Ok(Some(Self { reader, defined, levels: Vec::new(), values: Vec::new(), next: 0 }))
    }

    /// Reads the next rows.
    fn fill(&mut self, rows: usize) -> Result<()> {
        self.levels.clear();
        self.values.clear();
        self.next = 0;
        let (read, values, _) =
            self.reader.read_records(rows, Some(&mut self.levels), None, &mut self.values)?;
        check(read, rows)?;
        if self.defined == 0 {
            self.levels.resize(values, 0);
        }
        Ok(())
    }

    /// The value of a row. Rows are asked for once, in their order.
    fn get(&mut self, row: usize) -> Option<&T::T> {
        if self.levels.get(row) != Some(&self.defined) {
            return None;
        }
        let value = self.values.get(self.next);
        self.next = self.next.saturating_add(1);
        value
    }
}

fn check(read: usize, rows: usize) -> Result<()> {
    match read == rows {
        true => Ok(()),
        false => Err(ParquetError::General("a column has fewer rows than others".into())),
    }
}

/// Whether a column of a row group has values, as far as its statistics say.
fn has_values(group: &dyn RowGroupReader, index: usize) -> bool {
    let column = group.metadata().column(index);
    let nulls = column.statistics().and_then(|statistics| statistics.null_count_opt());
    nulls != u64::try_from(column.num_values()).ok()
}

/// Reads the next rows of a column that may be absent.
pub(super) fn fill<T: DataType>(column: &mut Option<Column<T>>, rows: usize) -> Result<()> {
    column.as_mut().map_or(Ok(()), |column| column.fill(rows))
}

/// The value of a row of a column that may be absent.
pub(super) fn get<T: DataType>(column: &mut Option<Column<T>>, row: usize) -> Option<&T::T> {
    column.as_mut()?.get(row)
}

/// The bytes of a row of a column that may be absent.
pub(super) fn bytes(column: &mut Option<Column<ByteArrayType>>, row: usize) -> Option<&[u8]> {
    get(column, row).map(ByteArray::data)
}

/// A column of lists.
pub(super) struct Lists<T: DataType> {
    reader: ColumnReaderImpl<T>,
    /// The level of an element that is there.
    defined: i16,
    /// The level of an empty list.
    empty: i16,
    levels: Vec<i16>,
    /// 0 for the first element of a row.
    repeats: Vec<i16>,
    values: Vec<T::T>,
    /// The next level, and the next value.
    next: (usize, usize),
}

impl<T: DataType> Lists<T> {
    /// The column `index`. `None` if the row group has no value in it.
    pub(super) fn open(group: &dyn RowGroupReader, index: Option<usize>) -> Result<Option<Self>> {
        let Some(index) = index else { return Ok(None) };
        let column = group.metadata().column(index).column_descr_ptr();
        let defined = column.max_def_level();
        let optional = i16::from(column.self_type().is_optional());
        let most = MAX_LISTS.checked_div(size_of::<T::T>()).unwrap_or(MAX_LISTS);
        let reader = reader(group, index, most)?;
        let empty = defined.saturating_sub(optional).saturating_sub(1);
        let (levels, repeats, values, next) = Default::default();
        Ok(Some(Self { reader, defined, empty, levels, repeats, values, next }))
    }

    /// The list of the next row; `None` if it has none. Elements that are null are left out.
    pub(super) fn next(&mut self) -> Option<Vec<T::T>> {
        let mut list = None;
        loop {
            let (level, value) = self.next;
            let Some((defined, repeat)) = self.levels.get(level).zip(self.repeats.get(level))
            else {
                return list;
            };
            if *repeat == 0 && list.is_some() {
                return list;
            }
            self.next.0 = level.saturating_add(1);
            if *defined < self.empty {
                return None;
            }
            let list = list.get_or_insert_with(Vec::new);
            if *defined == self.defined {
                list.extend(self.values.get(value).cloned());
                self.next.1 = value.saturating_add(1);
            }
        }
    }
}

/// Reads the next rows of a column of lists that may be absent.
pub(super) fn fill_lists<T: DataType>(lists: &mut Option<Lists<T>>, rows: usize) -> Result<()> {
    let Some(lists) = lists else { return Ok(()) };
    lists.levels.clear();
    lists.repeats.clear();
    lists.values.clear();
    lists.next = (0, 0);
    let (levels, repeats) = (&mut lists.levels, &mut lists.repeats);
    let (read, ..) =
        lists.reader.read_records(rows, Some(levels), Some(repeats), &mut lists.values)?;
    check(read, rows)
}

/// A column of steps: decimal numbers, in the forms that writers of Parquet use for them.
pub(super) enum Steps {
    Bytes(Column<FixedLenByteArrayType>, i64),
    Long(Column<Int64Type>, i64),
    Int(Column<Int32Type>, i64),
}

impl Steps {
    /// The column `index`. `None` if the row group has no value in it.
    pub(super) fn open(group: &dyn RowGroupReader, index: Option<usize>) -> Result<Option<Self>> {
        use parquet::basic::Type;
        let Some(index) = index else { return Ok(None) };
        let column = group.metadata().column(index).column_descr_ptr();
        let factor = usize::try_from(MILLIONTHS.saturating_sub(column.type_scale()));
        let factor = factor.ok().and_then(|digits| 10i64.checked_pow(u32::try_from(digits).ok()?));
        let factor = factor.filter(|_| (0..=MILLIONTHS).contains(&column.type_scale()));
        let factor =
            factor.ok_or_else(|| ParquetError::General("steps of another scale".into()))?;
        let index = Some(index);
        Ok(match column.physical_type() {
            Type::INT64 => Column::open(group, index)?.map(|column| Self::Long(column, factor)),
            Type::INT32 => Column::open(group, index)?.map(|column| Self::Int(column, factor)),
            _ => Column::open(group, index)?.map(|column| Self::Bytes(column, factor)),
        })
    }

    pub(super) fn fill(&mut self, rows: usize) -> Result<()> {
        match self {
            Self::Bytes(column, _) => column.fill(rows),
            Self::Long(column, _) => column.fill(rows),
            Self::Int(column, _) => column.fill(rows),
        }
    }

    /// The step of a row in millionths. The inner value is `None` if the step has too many digits.
    pub(super) fn get(&mut self, row: usize) -> Option<Option<i64>> {
        match self {
            Self::Bytes(column, factor) => {
                let number = big_endian(column.get(row)?.data());
                Some(number.and_then(|number| number.checked_mul(*factor)))
            }
            Self::Long(column, factor) => Some(column.get(row)?.checked_mul(*factor)),
            Self::Int(column, factor) => Some(i64::from(*column.get(row)?).checked_mul(*factor)),
        }
    }
}

/// A signed number of up to 16 bytes, the most significant one first, if it fits.
fn big_endian(bytes: &[u8]) -> Option<i64> {
    if let Ok(bytes) = bytes.try_into() {
        return Some(i64::from_be_bytes(bytes));
    }
    let sign = if bytes.first()? & 0x80 == 0 { 0 } else { 0xff };
    let mut all = [sign; 16];
    let at = all.len().checked_sub(bytes.len())?;
    all.get_mut(at..)?.copy_from_slice(bytes);
    i64::try_from(i128::from_be_bytes(all)).ok()
}

/// How many units of a column of times are a millisecond, or how many milliseconds a unit is if negative.
pub(super) fn units_per_millisecond(column: &ColumnDescriptor) -> Option<i64> {
    match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Timestamp(timestamp)), _) => Some(match timestamp.unit {
            TimeUnit::MILLIS => 1,
            TimeUnit::MICROS => 1_000,
            TimeUnit::NANOS => 1_000_000,
        }),
        (_, ConvertedType::TIMESTAMP_MILLIS) => Some(1),
        (_, ConvertedType::TIMESTAMP_MICROS) => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_with_more_than_they_seem_to_have_are_refused() {
        struct None;
        impl Iterator for None {
            type Item = Result<Page>;
            fn next(&mut self) -> Option<Result<Page>> {
                Option::None
            }
        }
        impl PageReader for None {
            fn get_next_page(&mut self) -> Result<Option<Page>> {
                Ok(Option::None)
            }
            fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
                Ok(Option::None)
            }
            fn skip_next_page(&mut self) -> Result<()> {
                Ok(())
            }
        }
        let page = |num_values, encoding| Page::DataPage {
            buf: bytes::Bytes::new(),
            num_values,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: Option::None,
        };
        let mut pages = Pages { pages: Box::new(None), left: 10 };
        pages.check(&page(6, Encoding::PLAIN)).unwrap();
        pages.check(&page(1, Encoding::DELTA_BYTE_ARRAY)).unwrap_err();
        pages.check(&page(5, Encoding::PLAIN)).unwrap_err();
        pages.check(&page(4, Encoding::RLE_DICTIONARY)).unwrap();
    }

    #[test]
    fn numbers_of_any_length_are_read_if_they_fit() {
        assert_eq!(big_endian(&[]), None);
        assert_eq!(big_endian(&[0xff]), Some(-1));
        assert_eq!(big_endian(&[1, 0]), Some(256));
        assert_eq!(big_endian(&(-5i64).to_be_bytes()), Some(-5));
        assert_eq!(big_endian(&(-5i128).to_be_bytes()), Some(-5));
        assert_eq!(big_endian(&i128::MAX.to_be_bytes()), None);
        assert_eq!(big_endian(&[0; 17]), None);
    }
}
