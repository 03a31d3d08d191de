// SPDX-License-Identifier: Apache-2.0
package import ZeroMQ

/// How a blob server behaves.
package struct BlobServerOptions: Sendable {
    package var endpoint: Endpoint
    package var socket = SocketOptions.blobs
    /// Name and version, for people.
    package var program = "pseudoword"
    /// What each client is told it may do at once.
    package var limits = BlobWelcome()
    package var maximumSessions = 4096
    /// How long a client that puts a blob may take for the next piece.
    package var stallTimeout: Duration = .seconds(30)
    /// Says what a peer may do; nil for one that may do nothing.
    ///
    /// Asked for every message, so that a right that was taken away is gone at once.
    package var authorize: @Sendable (PeerID) -> BlobRights?
    /// Says which keys may connect at all; needed with `SocketSecurity.server`.
    package var authenticate: (@Sendable (CurvePublicKey, _ address: String) -> Bool)?
    /// Told about peers that break rules, one line each.
    package var onProblem: @Sendable (String) -> Void = { _ in }

    package init(endpoint: Endpoint, authorize: @escaping @Sendable (PeerID) -> BlobRights?) {
        self.endpoint = endpoint
        self.authorize = authorize
    }
}

extension SocketOptions {
    /// For sockets that move blobs.
    package static var blobs: SocketOptions {
        var options = SocketOptions()
        options.maximumFrameBytes = BlobLimits.frameBytes
        options.maximumFrames = BlobLimits.frames + 1
        // The window of open requests is what bounds memory; this is the fence behind it.
        options.highWaterMark = 64
        options.linger = .milliseconds(500)
        return options
    }
}

/// What a blob server is doing.
package struct BlobServerStatus: Sendable, Hashable {
    /// A blob that is being put.
    package struct Put: Sendable, Hashable {
        package var digest: BlobDigest
        package var size: Int64
        package var written: Int64
    }

    package var sessions = 0
    /// Clients with open fetches.
    package var fetching = 0
    package var puts: [Put] = []
    package var sentBytes: Int64 = 0
    package var receivedBytes: Int64 = 0
    /// Messages that broke a rule or came from somebody without the right.
    package var refused = 0
    package var lastRefusal = ""
}
