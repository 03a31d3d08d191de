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
    case join = 17
    case joined = 18

    case trainGrant = 20
    case segmentResult = 21
    case resultAck = 22
    case leaseFailed = 23
    case failureAck = 24
    case cancelLease = 25
    case sliceGrant = 26
    case sliceResult = 27
    case pieceGrant = 28
    case pieceResult = 29

    case submitStudy = 30
    case submitReply = 31
    case statusRequest = 32
    case statusReply = 33
    case command = 34
    case commandReply = 35
    case explainRequest = 36
    case explainReply = 37
    case logRequest = 38
    case logReply = 39

    case errorReply = 40

    case checkpointRequest = 41
    case checkpointReply = 42
    case keysRequest = 43
    case keysReply = 44
    case briefRequest = 45
    case briefReply = 46

    /// The largest payload, so that nobody can make the other side parse 8 MiB of hello.
    package var maximumBytes: Int {
        switch self {
        case .trainGrant, .segmentResult, .statusReply, .checkpointReply: WireLimits.messageBytes
        case .sliceGrant, .sliceResult, .pieceGrant: 4 << 20
        case .submitStudy, .briefReply: 2 * WireLimits.studyBytes + WireLimits.manifestBytes + 3 * WireLimits.pathBytes
        case .submitReply, .logReply, .keysReply: 4 << 20
        case .explainReply: 1 << 20
        case .heartbeat: 256 << 10
        default: 16 << 10
        }
    }

    /// Whether this side is ever sent such a message.
    package func arrives(at side: WireSide) -> Bool {
        switch self {
        case .hello, .join, .heartbeat, .segmentResult, .sliceResult, .pieceResult, .leaseFailed, .briefRequest, .submitStudy,
            .statusRequest, .command, .explainRequest, .logRequest, .checkpointRequest, .keysRequest:
            side == .coordinator
        case .welcome, .denied, .joined, .heartbeatReply, .drain, .trainGrant, .sliceGrant, .pieceGrant, .resultAck, .failureAck,
            .cancelLease, .briefReply, .submitReply, .statusReply, .commandReply, .explainReply, .logReply, .checkpointReply, .keysReply:
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
