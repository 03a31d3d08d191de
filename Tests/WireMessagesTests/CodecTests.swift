// SPDX-License-Identifier: Apache-2.0
import Foundation
import SwiftProtobuf
import Testing

@testable import WireMessages

@Suite struct CodecTests {
    private func sides(of kind: WireKind) -> [WireSide] { [.coordinator, .peer].filter(kind.arrives) }

    @Test(arguments: WireKind.allCases)
    func everyKindArrivesAsItWasSent(kind: WireKind) throws {
        let envelope = WireEnvelope(Samples.payload(kind), requestID: 77)
        let frames = try WireCodec.encode(envelope)
        #expect(frames.count == 2)
        #expect(frames[0] == Data("PWD2".utf8))
        #expect(try EnvelopeOutline(frames[1]).kind == kind)
        #expect(!sides(of: kind).isEmpty)
        for side in sides(of: kind) { #expect(try WireCodec.decode(frames, at: side) == envelope) }
    }

    @Test(arguments: WireKind.allCases)
    func aKindThatIsSentTheWrongWayIsRefusedPolitely(kind: WireKind) throws {
        let frames = try WireCodec.encode(WireEnvelope(Samples.payload(kind), requestID: 77))
        for side in [WireSide.coordinator, .peer] where !kind.arrives(at: side) {
            let error = try #require(throws: WireError.self) { try WireCodec.decode(frames, at: side) }
            #expect(error.code == .unsupported)
            #expect(error.requestID == 77)
            let reply = try #require(error.reply)
            let other: WireSide = side == .coordinator ? .peer : .coordinator
            #expect(try WireCodec.decode(try WireCodec.encode(reply), at: other) == reply)
            #expect(reply.errorReply.code == .unsupported)
        }
    }

    @Test func framesMayBeSlicesOfLargerData() throws {
        let frames = try WireCodec.encode(WireEnvelope(.heartbeat(Samples.heartbeat)))
        let slices = frames.map { (Data([1, 2, 3]) + $0 + Data([4])).dropFirst(3).dropLast() }
        #expect(try WireCodec.decode(slices, at: .coordinator).heartbeat == Samples.heartbeat)
    }

    @Test func otherProgramsAreRefused() throws {
        let good = try WireCodec.encode(WireEnvelope(.heartbeat(Samples.heartbeat)))
        let bad: [[Data]] = [
            [], [Data()], [good[0]], [good[1]], [good[1], good[0]], [Data("PWD1".utf8), good[1]], [Data("PWD".utf8), good[1]],
            [Data("PWD2 ".utf8), good[1]], good + [Data()], [good[0], good[0]],
        ]
        for frames in bad {
            let error = try #require(throws: WireError.self) { try WireCodec.decode(frames, at: .coordinator) }
            #expect(error.code == .malformed)
            #expect(error.reply == nil)
        }
    }

    @Test func fieldsOfNewerMinorsAreIgnored() throws {
        var heartbeat = try Samples.heartbeat.serializedData() as Data
        heartbeat.append(contentsOf: [0xA2, 0x06, 2, 9, 9])  // field 100
        let frames = [
            Data("PWD2".utf8), Data([8, 2, 0x10, 9, 0x6A]) + varint(UInt64(heartbeat.count)) + heartbeat + Data([0xA0, 0x06, 1]),
        ]
        #expect(try WireCodec.decode(frames, at: .coordinator).heartbeat == Samples.heartbeat)
    }

    @Test func aKindOfANewerMinorIsRefusedWithItsRequestID() throws {
        let frames = [Data("PWD2".utf8), Data([8, 2, 0x10, 9, 0x18, 42, 0xA2, 0x06, 1, 0])]
        let error = try #require(throws: WireError.self) { try WireCodec.decode(frames, at: .coordinator) }
        #expect(error.code == .unsupported)
        #expect(error.requestID == 42)
        #expect(error.description.contains("protocol 2.0"))
    }

    @Test(arguments: [1, 3] as [UInt32]) func anotherMajorIsRefusedButItsHelloIsRead(major: UInt32) throws {
        var envelope = WireEnvelope(.heartbeat(Samples.heartbeat), requestID: 3)
        envelope.protocolMajor = major
        let error = try #require(throws: WireError.self) {
            try WireCodec.decode([Data("PWD2".utf8), try envelope.serializedData()], at: .coordinator)
        }
        #expect(error.code == .version)
        #expect(error.description.contains("only 2.0"))
        #expect(error.reply?.errorReply.code == .unsupported)

        envelope.hello = .with { ($0.protocolMajor, $0.protocolMinor) = (major, 3) }
        let decoded = try WireCodec.decode([Data("PWD2".utf8), try envelope.serializedData()], at: .coordinator)
        #expect(decoded.hello.version == WireVersion(major, 3))
    }

    @Test func twoMessagesInOneEnvelopeAreRefused() throws {
        let data = try WireEnvelope(.heartbeat(Samples.heartbeat)).serializedData() as Data
        let error = try #require(throws: WireError.self) {
            try WireCodec.decode([Data("PWD2".utf8), data + data], at: .coordinator)
        }
        #expect(error.code == .malformed)
    }

    @Test func errorsAreNotAnsweredWithErrors() throws {
        let envelope = WireEnvelope(.errorReply(WireErrorReply()), requestID: 9)
        let error = try #require(throws: WireError.self) {
            try WireCodec.decode([Data("PWD2".utf8), try envelope.serializedData()], at: .peer)
        }
        #expect(error.code == .invalid)
        #expect(error.reply == nil)
    }

    @Test func sizesAreLimitedByKind() throws {
        for kind in [WireKind.hello, .join, .briefRequest, .command, .goodbye] {
            let payload = Data([UInt8(0xA2), 0x06, 0x80, 0x80, 0x02]) + Data(count: 32768)
            var frame = Data([8, 2, 0x18, 5]) + varint(UInt64(kind.rawValue << 3 | 2))
            frame += varint(UInt64(payload.count)) + payload
            let error = try #require(throws: WireError.self) { try WireCodec.decode([Data("PWD2".utf8), frame], at: .coordinator) }
            #expect(error.code == .tooBig)
            #expect(error.requestID == 5)
        }
        let huge = Data(count: WireLimits.messageBytes + 1)
        #expect(try #require(throws: WireError.self) { try WireCodec.decode([Data("PWD2".utf8), huge], at: .peer) }.code == .tooBig)
    }

    @Test func millionsOfEmptyRowsAreRefusedBeforeTheyTakeMemory() throws {
        let rows = Data([UInt8](repeating: 0, count: 1 << 20).flatMap { _ in [0x42, 0] as [UInt8] })
        let frame = Data([8, 2]) + varint(UInt64(WireKind.segmentResult.rawValue << 3 | 2)) + varint(UInt64(rows.count)) + rows
        let error = try #require(throws: WireError.self) { try WireCodec.decode([Data("PWD2".utf8), frame], at: .coordinator) }
        #expect(error.code == .tooBig)
        let trials = Data([0x12]) + varint(UInt64(rows.count)) + Data(rows.map { $0 == 0x42 ? 0x2A : $0 })
        let reply = Data([8, 2]) + varint(UInt64(WireKind.statusReply.rawValue << 3 | 2)) + varint(UInt64(trials.count)) + trials
        let nested = try #require(throws: WireError.self) { try WireCodec.decode([Data("PWD2".utf8), reply], at: .peer) }
        #expect(nested.code == .tooBig)
    }

    @Test(arguments: [
        (WireKind.sliceGrant, UInt8(0x0A)), (.briefReply, 0x22), (.logReply, 0x0A), (.keysReply, 0x0A), (.explainReply, 0x0A),
    ])
    func emptyThingsAreCountedInEveryKind(kind: WireKind, tag: UInt8) throws {
        let things = Data([UInt8](repeating: 0, count: 1 << 18).flatMap { _ in [tag, 0] })
        let frame = Data([8, 2]) + varint(UInt64(kind.rawValue << 3 | 2)) + varint(UInt64(things.count)) + things
        let error = try #require(throws: WireError.self) { try WireCodec.decode([Data("PWD2".utf8), frame], at: .peer) }
        #expect(error.code == .tooBig)
    }

    @Test func aStateTooLargeForOneMessageIsNotSent() throws {
        var result = Samples.result
        result.after = Samples.state(step: 12, count: 75, width: 8192)
        let error = try #require(throws: WireError.self) { try WireCodec.encode(WireEnvelope(.segmentResult(result))) }
        #expect(error.code == .tooBig)
        result.after = Samples.state(step: 12, count: 75, width: 2048)
        #expect(try WireCodec.encode(WireEnvelope(.segmentResult(result)))[1].count > 3_000_000)
    }

    private func varint(_ value: UInt64) -> Data {
        var (data, rest) = (Data(), value)
        while rest >= 0x80 {
            data.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        return data + [UInt8(rest)]
    }
}
