// SPDX-License-Identifier: Apache-2.0

/// The bounds of everything that travels.
///
/// `proto-docs/PROTOCOL.md` lists them for other implementations.
package enum WireLimits {
    package static let magic = Array("PWD2".utf8)
    /// Magic and envelope.
    package static let frames = 2
    package static let messageBytes = 8 << 20
    /// How many rows, studies, trials and workers one message may list, in all.
    package static let elements = 100_000

    package static let vectorCount = 1...75
    package static let vectorWidth = 1...8192
    package static let digestBytes = 32
    package static let threads = 65_536
    package static let priorities: ClosedRange<Int32> = -1_000_000...1_000_000

    /// Lengths of texts in UTF-8 bytes.
    package static let identifierBytes = 64
    package static let nameBytes = 255
    package static let pathBytes = 4096
    package static let lineBytes = 2000
    package static let studyBytes = 1 << 20
    package static let manifestBytes = 4 << 20
    /// Leases in one heartbeat or grant.
    package static let leases = 4096
    /// Losses in one slice.
    package static let samples = 4096
}
