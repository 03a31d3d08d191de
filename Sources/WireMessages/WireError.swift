// SPDX-License-Identifier: Apache-2.0

/// Why a message was not taken or not sent, in one line.
package struct WireError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable, Equatable {
        /// Not a message of this protocol at all.
        case malformed
        /// Over one of the limits of `WireLimits`.
        case tooBig
        /// A kind of message that this program does not know, or does not take on this side.
        case unsupported
        /// A major version that this program does not speak.
        case version
        /// A field breaks a rule.
        case invalid
    }

    package let code: Code
    package let message: String
    /// The request that is at fault; 0 when it does not want an answer or cannot be told.
    package private(set) var requestID: UInt64 = 0
    /// What is at fault is a hello: whoever sent it waits for Welcome or Denied.
    package private(set) var isOfHello = false

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    func answering(_ requestID: UInt64, isOfHello: Bool = false) -> WireError {
        var copy = self
        copy.requestID = requestID
        copy.isOfHello = isOfHello
        return copy
    }

    /// What to send back; nil when nobody waits for an answer.
    package var reply: WireEnvelope? {
        guard requestID != 0 else { return nil }
        if isOfHello, code != .unsupported, code != .version {
            var denied = WireDenied()
            denied.code = .invalid
            denied.reason = WireText.clipped(message)
            return WireEnvelope(.denied(denied), requestID: requestID)
        }
        var reply = WireErrorReply()
        reply.code = code == .unsupported || code == .version ? .unsupported : .invalid
        reply.message = WireText.clipped(message)
        return WireEnvelope(.errorReply(reply), requestID: requestID)
    }

    package var description: String { message }
}
