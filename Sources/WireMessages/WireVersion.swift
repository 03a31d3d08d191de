// SPDX-License-Identifier: Apache-2.0

/// A version of the protocol.
///
/// Programs with a common major understand each other.
package struct WireVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let major: UInt32
    package let minor: UInt32

    package init(_ major: UInt32, _ minor: UInt32) {
        self.major = major
        self.minor = minor
    }

    /// What this program speaks.
    package static let current = WireVersion(2, 0)
    /// The highest minor of every major that this program understands.
    package static let supported = [current]

    package static func < (left: WireVersion, right: WireVersion) -> Bool { (left.major, left.minor) < (right.major, right.minor) }

    package var description: String { "\(major).\(minor)" }

    package var message: WireProtocolVersion {
        var message = WireProtocolVersion()
        message.major = major
        message.minor = minor
        return message
    }

    /// What two programs speak with each other, or why they cannot.
    package enum Negotiation: Sendable, Equatable {
        case agreed(WireVersion)
        case refused(WireDenied)
    }

    /// Answers a hello's version: the same major, and the lower of both minors.
    package static func negotiate(offered: WireVersion, supported: [WireVersion] = supported) -> Negotiation {
        if let ours = supported.filter({ $0.major == offered.major }).max() {
            return .agreed(WireVersion(ours.major, min(ours.minor, offered.minor)))
        }
        var denied = WireDenied()
        denied.code = .version
        denied.reason = refusal(ofMajor: UInt64(offered.major), supported: supported)
        denied.supported = supported.sorted().map(\.message)
        return .refused(denied)
    }

    static func refusal(ofMajor major: UInt64, supported: [WireVersion]) -> String {
        let ours = supported.sorted().map(\.description).joined(separator: ", ")
        return "protocol \(major) is not spoken here, only \(ours); install the same release of pseudoword on both machines"
    }
}
