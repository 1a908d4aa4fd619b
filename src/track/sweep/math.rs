//! Functions that give the same bits on every machine.
//!
//! Logarithms and the like of the standard library are those of the system, which differ in the last digit. Those
//! of the crate `libm` are Rust code of additions, multiplications and the like, which IEEE 754 defines exactly.

use std::f64::consts::SQRT_2;

use rand_mt::Mt64;

/// Maximum absolute value of whole numbers that a float64 has exactly.
pub(super) const MAX_WHOLE: f64 = 9_007_199_254_740_992.0; // 2^53

pub(super) fn ln(x: f64) -> f64 {
    libm::log(x)
}

pub(super) fn exp(x: f64) -> f64 {
    libm::exp(x)
}

/// The part of the normal distribution below `x`.
pub(super) fn normal_below(x: f64) -> f64 {
    0.5 * libm::erfc(-x / SQRT_2)
}

/// The `x` with the part `p` of the normal distribution below it, to 16 digits: algorithm AS 241, M. Wichura, "The
/// Percentage Points of the Normal Distribution", 1988.
pub(super) fn normal_quantile(p: f64) -> f64 {
    let middle = p - 0.5;
    if middle.abs() <= 0.425 {
        let r = 0.180_625 - middle * middle;
        return middle * ratio(r, &CENTER);
    }
    let tail = if middle < 0.0 { p } else { 1.0 - p };
    if tail <= 0.0 {
        return f64::INFINITY.copysign(middle);
    }
    let r = (-ln(tail)).sqrt();
    let x = if r <= 5.0 { ratio(r - 1.6, &SIDE) } else { ratio(r - 5.0, &TAIL) };
    x.copysign(middle)
}

/// A quotient of two polynomials. The coefficients are those of the highest powers first.
fn ratio(r: f64, [above, below]: &[[f64; 8]; 2]) -> f64 {
    let polynomial = |of: &[f64; 8]| of.iter().fold(0.0, |sum, coefficient| sum * r + coefficient);
    polynomial(above) / polynomial(below)
}

/// Coefficients for parts from 0.075 to 0.925.
const CENTER: [[f64; 8]; 2] = [
    [
        2_509.080_928_730_122_7,
        33_430.575_583_588_13,
        67_265.770_927_008_7,
        45_921.953_931_549_87,
        13_731.693_765_509_46,
        1_971.590_950_306_551_3,
        133.141_667_891_784_38,
        3.387_132_872_796_366_5,
    ],
    [
        5_226.495_278_852_854,
        28_729.085_735_721_943,
        39_307.895_800_092_71,
        21_213.794_301_586_597,
        5_394.196_021_424_751,
        687.187_007_492_057_9,
        42.313_330_701_600_91,
        1.0,
    ],
];
/// Coefficients for smaller parts.
const SIDE: [[f64; 8]; 2] = [
    [
        0.000_774_545_014_278_341_4,
        0.022_723_844_989_269_184,
        0.241_780_725_177_450_6,
        1.270_458_252_452_368_4,
        3.647_848_324_763_204_5,
        5.769_497_221_460_691,
        4.630_337_846_156_546,
        1.423_437_110_749_683_5,
    ],
    [
        1.050_750_071_644_416_9e-9,
        0.000_547_593_808_499_534_5,
        0.015_198_666_563_616_457,
        0.148_103_976_427_480_08,
        0.689_767_334_985_1,
        1.676_384_830_183_803_8,
        2.053_191_626_637_759,
        1.0,
    ],
];
/// Coefficients for parts below e^-25.
const TAIL: [[f64; 8]; 2] = [
    [
        2.010_334_399_292_288_1e-7,
        2.711_555_568_743_487_6e-5,
        0.001_242_660_947_388_078_4,
        0.026_532_189_526_576_124,
        0.296_560_571_828_504_87,
        1.784_826_539_917_291_3,
        5.463_784_911_164_114,
        6.657_904_643_501_103,
    ],
    [
        2.044_263_103_389_939_7e-15,
        1.421_511_758_316_446e-7,
        1.846_318_317_510_054_8e-5,
        0.000_786_869_131_145_613_3,
        0.014_875_361_290_850_615,
        0.136_929_880_922_735_8,
        0.599_832_206_555_888,
        1.0,
    ],
];

/// A number from 0 to below 1.
pub(super) fn draw(random: &mut Mt64) -> f64 {
    #[expect(clippy::as_conversions, reason = "53 bits are exact")]
    let bits = (random.next_u64() >> 11) as f64;
    bits / MAX_WHOLE
}

/// A seed for one of many generators (SplitMix64), such that neighbors have nothing in common.
pub(super) fn mixed(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A count as a number.
#[expect(clippy::as_conversions, reason = "no count reaches 2^53")]
pub(super) fn float(count: usize) -> f64 {
    count as f64
}

/// A number that is not negative, rounded down, as a count.
#[expect(clippy::as_conversions, reason = "saturates")]
pub(super) fn whole(number: f64) -> usize {
    number as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of `statistics.NormalDist` of Python 3.11.
    #[test]
    fn quantiles_are_those_of_python() {
        for (p, x) in [
            (1e-308, -37.54067492154595),
            (1e-100, -21.27345356096532),
            (1e-12, -7.034483825301132),
            (1e-05, -4.2648907939228256),
            (0.001, -3.090232306167813),
            (0.02, -2.0537489106318225),
            (0.0750001, -1.4395307645017297),
            (0.3, -0.5244005127080407),
            (0.5, 0.0),
            (0.7, 0.5244005127080407),
            (0.95, 1.6448536269514715),
            (0.999, 3.090232306167813),
        ] {
            let found = normal_quantile(p);
            assert!((found - x).abs() <= 4e-16 * x.abs().max(1.0), "{p}: {found} is not {x}");
            if p > 1e-300 {
                assert!((normal_below(found) / p - 1.0).abs() < 1e-11, "{p}");
            }
        }
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
    }

    /// A change of these bits would change the trials of everybody's seeds.
    #[test]
    fn bits_do_not_change() {
        let bits = [ln(0.3), exp(0.3), normal_below(0.3), normal_quantile(0.3)];
        let expected = [
            13_831_473_067_500_349_217,
            4_608_758_042_795_448_982,
            4_603_740_870_846_712_696,
            13_826_270_636_307_301_882,
        ];
        assert_eq!(bits.map(f64::to_bits), expected);
    }
}
