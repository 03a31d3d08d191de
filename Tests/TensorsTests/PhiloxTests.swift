// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

struct PhiloxTests {
    struct Answer: Sendable, CustomTestStringConvertible {
        let counter: [UInt32], key: [UInt32], words: [UInt32]
        var testDescription: String { counter.map { String($0, radix: 16) }.joined(separator: " ") }
    }

    /// philox4x32 with 10 rounds in Random123's `kat_vectors`.
    @Test(arguments: [
        Answer(
            counter: [0, 0, 0, 0], key: [0, 0], words: [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        Answer(
            counter: [.max, .max, .max, .max], key: [.max, .max], words: [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        Answer(
            counter: [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], key: [0xa409_3822, 0x299f_31d0],
            words: [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
    ])
    func givesThePublishedWords(_ answer: Answer) {
        let block = Philox.block(
            counter: (answer.counter[0], answer.counter[1], answer.counter[2], answer.counter[3]), key: (answer.key[0], answer.key[1]))
        #expect([block.0, block.1, block.2, block.3] == answer.words)
    }
}
