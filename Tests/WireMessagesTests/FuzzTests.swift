// SPDX-License-Identifier: Apache-2.0
import Foundation
import SwiftProtobuf
import Testing

@testable import WireMessages

@Suite struct FuzzTests {
    /// Decodes at both sides: no crash, errors of one line, and what is taken can be sent on.
    private func feed(_ frame: Data) {
        for side in [WireSide.coordinator, .peer] {
            do throws(WireError) {
                let envelope = try WireCodec.decode([Data("PWD2".utf8), frame], at: side)
                #expect(throws: Never.self) { try envelope.validate() }
            } catch {
                if !WireText.isOneLine(error.description) || error.description.utf8.count > WireLimits.lineBytes {
                    Issue.record("not a line: \(error.description.debugDescription)")
                }
                if let reply = error.reply { #expect(throws: Never.self) { try WireCodec.encode(reply) } }
            }
        }
    }

    @Test func randomBytesNeverCrash() {
        var generator = SeededGenerator(state: 1)
        for _ in 0..<4000 {
            feed(Data((0..<Int.random(in: 0..<120, using: &generator)).map { _ in .random(in: .min ... .max, using: &generator) }))
        }
    }

    @Test(arguments: WireKind.allCases)
    func everyTruncationIsRefusedOrValid(kind: WireKind) throws {
        let frame = try WireCodec.encode(WireEnvelope(Samples.payload(kind), requestID: 77))[1]
        for count in 0..<frame.count { feed(frame.prefix(count)) }
        let side: WireSide = kind.arrives(at: .coordinator) ? .coordinator : .peer
        #expect(throws: WireError.self) { try WireCodec.decode([Data("PWD2".utf8), frame.dropLast()], at: side) }
    }

    @Test(arguments: WireKind.allCases)
    func damagedMessagesNeverCrash(kind: WireKind) throws {
        let frame = try WireCodec.encode(WireEnvelope(Samples.payload(kind), requestID: 77))[1]
        var generator = SeededGenerator(state: UInt64(kind.rawValue))
        for _ in 0..<300 {
            var damaged = frame
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let position = Int.random(in: 0..<damaged.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: damaged[position] = .random(in: .min ... .max, using: &generator)
                case 1: damaged[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                case 2: damaged.insert(.random(in: .min ... .max, using: &generator), at: position)
                default: if damaged.count > 1 { damaged.remove(at: position) }
                }
            }
            feed(damaged)
        }
    }

    @Test func lengthsThatOverflowAreRefused() {
        let lengths: [[UInt8]] = [
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
            [0xFF, 0xFF, 0xFF, 0xFF, 0x0F], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
        ]
        for length in lengths {
            for tag in [[0x52], [0xAA, 0x01], [0x1A]] as [[UInt8]] {
                #expect(throws: WireError.self) {
                    try WireCodec.decode([Data("PWD2".utf8), Data([8, 2] + tag + length + [1, 2])], at: .coordinator)
                }
            }
        }
    }
}

struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
