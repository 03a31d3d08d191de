// SPDX-License-Identifier: Apache-2.0
import Glibc
import PortableMath
import Testing

@Suite struct PortableMathTests {
    /// Recorded once: they must be the same on every machine and for all time.
    private static let angles: [(x: Double, cosine: UInt64, sine: UInt64)] = [
        (0, 0x3FF0_0000_0000_0000, 0x0), (0.5, 0x3FEC_1528_065B_7D50, 0x3FDE_AEE8_744B_05F0),
        (1, 0x3FE1_4A28_0FB5_068C, 0x3FEA_ED54_8F09_0CEE), (.pi / 2, 0x3C91_A626_3314_5C07, 0x3FF0_0000_0000_0000),
        (2, 0xBFDA_A226_5753_7205, 0x3FED_18F6_EAD1_B446), (3, 0xBFEF_AE04_BE85_E5D2, 0x3FC2_1038_6DB6_D55B),
        (.pi, 0xBFF0_0000_0000_0000, 0x3CA1_A626_3314_5C07), (4.712388980384690, 0xBCAA_7939_4C9E_8A0A, 0xBFF0_0000_0000_0000),
        (2 * .pi, 0x3FF0_0000_0000_0000, 0xBCB1_A626_3314_5C07), (1e-9, 0x3FF0_0000_0000_0000, 0x3E11_2E0B_E826_D695),
        (100, 0x3FEB_981D_BF66_5FDF, 0xBFE0_3425_B78C_4DB8),
    ]
    private static let logarithms: [(x: Double, logarithm: UInt64)] = [
        (0x1p-33, 0xC036_DFB5_16F2_0BBF), (1e-5, 0xC027_069E_2AA2_AA5B), (0.1, 0xC002_6BB1_BBB5_5515), (0.5, 0xBFE6_2E42_FEFA_39EF),
        (0.7071, 0xBFD6_2E6B_3842_A25E), (0.75, 0xBFD2_6962_1134_DB92), (1, 0x0), (1.5, 0x3FD9_F323_ECBF_984C),
        (10, 0x4002_6BB1_BBB5_5516), (1e300, 0x4085_9634_47F8_7FB5),
    ]

    @Test func theBitsAreTheRecordedOnes() {
        for (x, cosine, sine) in Self.angles {
            #expect(PortableMath.cos(x).bitPattern == cosine, "cos \(x)")
            #expect(PortableMath.sin(x).bitPattern == sine, "sin \(x)")
        }
        for (x, logarithm) in Self.logarithms { #expect(PortableMath.log(x).bitPattern == logarithm, "log \(x)") }
        // Many more in one number.
        var digest: UInt64 = 0
        for step in 0...20_000 {
            let x = Double(step) * 0x1p-12
            for value in [PortableMath.cos(x), PortableMath.sin(-x), PortableMath.log(x + 0x1p-40)] {
                digest = (digest ^ value.bitPattern) &* 0x100_0000_01B3
            }
        }
        #expect(digest == 0xF785_1962_861D_ED10)
    }

    @Test func theyAreWithinOneUnitOfTheCLibrarys() {
        var worst = 0.0
        func compare(_ ours: Double, _ theirs: Double) { worst = max(worst, (ours - theirs).magnitude / max(theirs.ulp, 0x1p-1074)) }
        for step in 0...200_000 {
            let x = 2 * Double.pi * (Double(step) + 0.5) / 200_000
            compare(PortableMath.cos(x), cos(x))
            compare(PortableMath.sin(x), sin(x))
            compare(PortableMath.cos(-1000 * x), cos(-1000 * x))
            compare(PortableMath.log(x), log(x))
            compare(PortableMath.log(1 / (x * x * x * x * x)), log(1 / (x * x * x * x * x)))
        }
        // Where the angle is nearly a multiple of pi/2, reducing it is hard.
        for multiple in -40_000...40_000 {
            let x = Double(multiple) * Double.pi / 2
            compare(PortableMath.cos(x), cos(x))
            compare(PortableMath.sin(x), sin(x))
        }
        #expect(worst <= 1)
    }
}
