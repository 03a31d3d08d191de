// SPDX-License-Identifier: Apache-2.0
package import Foundation
import SwiftProtobuf

extension WireEnvelope {
    /// An envelope in the version that this program speaks.
    ///
    /// - Parameter requestID: a new number when asking, the question's when answering, else 0.
    package init(_ payload: OneOf_Payload, requestID: UInt64 = 0) {
        self.init()
        protocolMajor = WireVersion.current.major
        protocolMinor = WireVersion.current.minor
        self.requestID = requestID
        self.payload = payload
    }
}

/// Between envelopes and the frames of a ZeroMQ message: `PWD2`, then the envelope.
package enum WireCodec {
    /// - Throws: `.tooBig` or `.invalid` for an envelope that the other side would not take.
    package static func encode(_ envelope: WireEnvelope) throws(WireError) -> [Data] {
        try envelope.validate()
        guard let data = try? envelope.serializedData() as Data else {
            throw WireError(.invalid, "a message cannot be written as protobuf")
        }
        try checkSize(of: try EnvelopeOutline(data), total: data.count)
        return [Data(WireLimits.magic), data]
    }

    /// Reads and checks what arrived at `side`.
    ///
    /// Everything that it returns obeys the rules of the protocol.
    ///
    /// - Throws: `WireError`; its `reply` is what to answer, if anything. No input makes it crash or take much more memory than it
    ///   has bytes.
    package static func decode(_ frames: [Data], at side: WireSide) throws(WireError) -> WireEnvelope {
        guard frames.first?.elementsEqual(WireLimits.magic) == true else {
            throw WireError(.malformed, "a message does not begin with PWD2: the sender is not a pseudoword program")
        }
        guard frames.count == WireLimits.frames else {
            throw WireError(.malformed, "a message has \(frames.count) frames; expected \(WireLimits.frames)")
        }
        let data = frames[1]
        guard data.count <= WireLimits.messageBytes else { throw tooBig(data.count, WireLimits.messageBytes, "message") }

        let outline = try EnvelopeOutline(data)
        do throws(WireError) {
            try checkKind(of: outline, at: side)
            try checkSize(of: outline, total: data.count)
            var options = BinaryDecodingOptions()
            options.discardUnknownFields = true
            guard let envelope = try? WireEnvelope(serializedBytes: data, options: options) else {
                throw WireError(.malformed, "a message cannot be read: it is not valid protobuf")
            }
            try envelope.validate()
            return envelope
        } catch {
            // Errors are not answered with errors, or two programs could go on for ever.
            throw error.answering(
                outline.kind == .errorReply ? 0 : outline.requestID, isOfHello: outline.kind == .hello && side == .coordinator)
        }
    }

    private static func checkKind(of outline: EnvelopeOutline, at side: WireSide) throws(WireError) {
        if outline.kind?.isForEveryVersion != true {
            guard WireVersion.supported.contains(where: { UInt64($0.major) == outline.major }) else {
                throw WireError(.version, WireVersion.refusal(ofMajor: outline.major, supported: WireVersion.supported))
            }
        }
        guard let kind = outline.kind else {
            throw WireError(.unsupported, "a kind of message that this program (protocol \(WireVersion.current)) does not know")
        }
        guard kind.arrives(at: side) else {
            let receiver = side == .coordinator ? "the coordinator takes" : "workers and clients take"
            throw WireError(.unsupported, "\(receiver) no \(kind.name) message")
        }
    }

    private static func checkSize(of outline: EnvelopeOutline, total: Int) throws(WireError) {
        guard total <= WireLimits.messageBytes else { throw tooBig(total, WireLimits.messageBytes, "message") }
        guard let kind = outline.kind else { return }
        guard outline.payloadBytes <= kind.maximumBytes else { throw tooBig(outline.payloadBytes, kind.maximumBytes, kind.name) }
        guard outline.elements <= WireLimits.elements else {
            throw WireError(.tooBig, "a \(kind.name) lists more than \(WireLimits.elements) things")
        }
    }

    private static func tooBig(_ count: Int, _ limit: Int, _ what: String) -> WireError {
        WireError(.tooBig, "a \(what) of \(count) bytes is over the limit of \(limit)")
    }
}
