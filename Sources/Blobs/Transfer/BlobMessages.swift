// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// What a client says to a server.
package enum BlobRequest: Sendable, Equatable {
    case hello(major: UInt32, minor: UInt32, program: String)
    case stat(BlobDigest)
    case fetch(BlobDigest, offset: Int64, length: Int)
    case put(BlobDigest, size: Int64)
    /// A piece of a put that the server pulled.
    case putData(offset: Int64, Data)
    case putAbort
}

/// What a server says to a client.
package enum BlobReply: Sendable, Equatable {
    case welcome(BlobWelcome)
    /// The size, or nil when the server does not have it.
    case stat(BlobDigest, size: Int64?)
    case chunk(BlobDigest, offset: Int64, size: Int64, Data)
    case pull(offset: Int64, length: Int)
    case putDone(BlobDigest, alreadyThere: Bool)
    case wait
    case error(BlobFault, String)
}

/// What a server lets a client do, and how much at once.
package struct BlobWelcome: Sendable, Hashable {
    package var major = BlobLimits.version.major
    package var minor = BlobLimits.version.minor
    package var program = ""
    package var rights: BlobRights = []
    package var chunkBytes = 1 << 20
    package var windowRequests = 32
    package var windowBytes = 16 << 20
    package var puts = 8
    package var blobBytes: Int64 = 1 << 40

    package init() {}
}

/// The kinds of error that travel, with their numbers on the wire.
package enum BlobFault: Int, Sendable, CaseIterable {
    case notFound = 1
    case forbidden = 2
    case invalid = 3
    case tooMany = 4
    case tooBig = 5
    case noSpace = 6
    case wrongBytes = 7
    case helloRequired = 8
    case version = 9
    case `internal` = 10

    /// What a server answers when its store fails.
    init(_ error: BlobError) {
        self =
            switch error.code {
            // A damaged blob is gone now; a file that changed is no longer the blob that was asked for.
            case .notFound, .damaged, .changed: .notFound
            case .wrongBytes: .wrongBytes
            case .noSpace: .noSpace
            case .tooBig: .tooBig
            case .invalid: .invalid
            case .refused: .forbidden
            default: .internal
            }
    }

    /// What a client tells its caller.
    func error(_ message: String) -> BlobError {
        let code: BlobError.Code =
            switch self {
            case .notFound: .notFound
            case .forbidden: .refused
            case .tooBig: .tooBig
            case .noSpace: .noSpace
            case .wrongBytes: .wrongBytes
            case .version: .protocolMismatch
            case .invalid, .tooMany, .helloRequired, .internal: .remote
            }
        return BlobError(code, message)
    }
}

/// Why a message was not taken.
package struct BlobMessageError: Error, Sendable, Equatable {
    package let message: String
    /// The request that is at fault; 0 when nobody waits for an answer.
    package var requestID: UInt64 = 0
}
