// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What an envelope claims to be, read without building anything.
///
/// A few bytes of protobuf can stand for many times their size in memory, so the kind, the size and the number of elements are
/// checked before the envelope is parsed.
struct EnvelopeOutline {
    private(set) var major: UInt64 = 0
    private(set) var requestID: UInt64 = 0
    /// nil when it has no payload that this program knows.
    private(set) var kind: WireKind?
    private(set) var payloadBytes = 0
    /// Length-delimited fields of the payload and of the messages listed in it.
    private(set) var elements = 0

    init(_ envelope: Data) throws(WireError) {
        var fields = ProtobufFields(envelope)
        while let field = try fields.next() {
            switch (field.number, field.value) {
            case (1, .number(let number)): major = number
            case (3, .number(let number)): requestID = number
            case (let number, .bytes(let range)):
                guard let kind = WireKind(rawValue: number) else { continue }
                guard self.kind == nil else { throw WireError(.malformed, "an envelope holds two messages; send one") }
                self.kind = kind
                payloadBytes = range.count
                guard range.count <= kind.maximumBytes else { continue }
                elements = try Self.countElements(envelope[range], depth: kind == .statusReply ? 3 : 1)
            default: continue
            }
        }
    }

    private static func countElements(_ message: Data, depth: Int) throws(WireError) -> Int {
        var fields = ProtobufFields(message)
        var count = 0
        while let field = try fields.next() {
            guard case .bytes(let range) = field.value else { continue }
            count += 1
            // Text inside a listed message may not parse as a message; it is then no list either.
            if depth > 1, let inner = try? countElements(message[range], depth: depth - 1) { count += inner }
            if count > WireLimits.elements { return count }
        }
        return count
    }
}

/// Walks over the fields of one protobuf message, one level deep.
struct ProtobufFields {
    enum Value: Equatable {
        case number(UInt64)
        /// Where the bytes are in the data.
        case bytes(Range<Int>)
        case fixed
    }

    private let data: Data
    private var position: Int

    init(_ data: Data) {
        self.data = data
        position = data.startIndex
    }

    mutating func next() throws(WireError) -> (number: Int, value: Value)? {
        guard position < data.endIndex else { return nil }
        let tag = try varint()
        guard tag >> 3 >= 1, tag >> 3 <= 0x1FFF_FFFF else { throw Self.broken }
        let number = Int(tag >> 3)
        switch tag & 7 {
        case 0: return (number, .number(try varint()))
        case 1: return (number, try skip(8, .fixed))
        case 2:
            let count = try varint()
            guard count <= UInt64(data.endIndex - position) else { throw Self.broken }
            let start = position
            return (number, try skip(Int(count), .bytes(start..<start + Int(count))))
        case 5: return (number, try skip(4, .fixed))
        default: throw Self.broken
        }
    }

    private mutating func skip(_ count: Int, _ value: Value) throws(WireError) -> Value {
        guard count <= data.endIndex - position else { throw Self.broken }
        position += count
        return value
    }

    private mutating func varint() throws(WireError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: 0, to: 64, by: 7) {
            guard position < data.endIndex else { throw Self.broken }
            let byte = data[position]
            position += 1
            value |= UInt64(byte & 0x7F) << UInt64(shift)
            if byte < 0x80 { return value }
        }
        throw Self.broken
    }

    private static var broken: WireError { WireError(.malformed, "a message is cut short or not protobuf; it was dropped") }
}
