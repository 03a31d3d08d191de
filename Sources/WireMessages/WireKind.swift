// SPDX-License-Identifier: Apache-2.0

/// The two ends of a conversation.
package enum WireSide: Sendable {
    case coordinator
    /// A worker or a client.
    case peer
}

/// The kinds of messages, by their field number in the envelope.
package enum WireKind: Int, Sendable, CaseIterable {
    case hello = 10
    case welcome = 11
    case denied = 12
    case heartbeat = 13
    case heartbeatReply = 14
    case drain = 15
    case goodbye = 16

    case grant = 20
    case segmentResult = 21
    case resultAck = 22
    case leaseFailed = 23
    case failureAck = 24
    case cancelLease = 25

    case submitStudy = 30
    case submitReply = 31
    case statusRequest = 32
    case statusReply = 33
    case cancelStudy = 34
    case cancelReply = 35

    case errorReply = 40

    /// The largest payload, so that nobody can make the other side parse 8 MiB of hello.
    package var maximumBytes: Int {
        switch self {
        case .grant, .segmentResult, .statusReply: WireLimits.messageBytes
        case .submitStudy: WireLimits.studyBytes + 3 * WireLimits.pathBytes
        default: 16 << 10
        }
    }

    /// Whether this side is ever sent such a message.
    package func arrives(at side: WireSide) -> Bool {
        switch self {
        case .hello, .heartbeat, .segmentResult, .leaseFailed, .submitStudy, .statusRequest, .cancelStudy:
            side == .coordinator
        case .welcome, .denied, .heartbeatReply, .drain, .grant, .resultAck, .failureAck, .cancelLease, .submitReply, .statusReply,
            .cancelReply:
            side == .peer
        case .goodbye, .errorReply: true
        }
    }

    /// Whether it can be read whatever major version its sender speaks.
    var isForEveryVersion: Bool { [.hello, .denied, .goodbye, .errorReply].contains(self) }

    /// Such as `segment result`.
    package var name: String {
        "\(self)".reduce(into: "") { text, character in
            text += character.isUppercase ? " \(character.lowercased())" : String(character)
        }
    }
}
