// SPDX-License-Identifier: Apache-2.0
package import Foundation
import SwiftProtobuf

/// The hello of a program that speaks protocol 1, which nobody here does.
///
/// Its magic frame is another one. Hello, Denied and fields 1 to 3 of Envelope mean the same in both, so it can be told why it is refused.
package struct OlderHello: Sendable, Hashable {
    package static let magic = Array("PWD1".utf8)
    private static let mostBytes = 20 << 10

    /// What it calls itself and where it runs, each one line for people.
    package let name: String
    package let host: String
    package let requestID: UInt64

    /// Nil for anything else.
    package init?(_ frames: [Data]) {
        guard frames.count == WireLimits.frames, frames[0].elementsEqual(Self.magic), frames[1].count <= Self.mostBytes else { return nil }
        var options = BinaryDecodingOptions()
        options.discardUnknownFields = true
        guard let outline = try? EnvelopeOutline(frames[1]), outline.kind == .hello,
            let envelope = try? WireEnvelope(serializedBytes: frames[1], options: options), case .hello(let hello)? = envelope.payload
        else { return nil }
        func shown(_ text: String) -> String { text.isEmpty ? "?" : WireText.clipped(text, limit: WireLimits.nameBytes) }
        (name, host, requestID) = (shown(hello.name), shown(hello.host), envelope.requestID)
    }

    package var denied: WireDenied {
        var denied = WireDenied()
        denied.code = .version
        denied.reason = WireVersion.refusal(ofMajor: 1, supported: WireVersion.supported)
        denied.supported = WireVersion.supported.map(\.message)
        return denied
    }

    /// The frames of an answer, in the form that it reads.
    package static func frames(_ envelope: WireEnvelope) throws(WireError) -> [Data] {
        var frames = try WireCodec.encode(envelope)
        frames[0] = Data(magic)
        return frames
    }
}
