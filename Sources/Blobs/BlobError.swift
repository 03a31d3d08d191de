// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What went wrong with a blob, in one line.
package struct BlobError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable, Equatable {
        /// Nobody who was asked has it.
        case notFound
        /// A stored blob no longer has the bytes of its name; it was removed.
        case damaged
        /// Bytes that were received or read have another digest or size than they should.
        case wrongBytes
        /// A file that is served from its own place changed since it was registered.
        case changed
        /// The disk, or the store's limit, is full.
        case noSpace
        /// The blob is larger than what is taken.
        case tooBig
        /// The disk or the folder cannot be used.
        case storage
        /// Somebody else is writing the same blob just now.
        case busy
        /// Input that breaks a rule.
        case invalid
        /// The other side does not let us.
        case refused
        /// The other side cannot be reached, or does not answer.
        case unreachable
        /// The caller gave up.
        case cancelled
        /// The other side does not speak this protocol.
        case protocolMismatch
        /// The other side failed and says so.
        case remote
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }

    static var cancelled: BlobError { BlobError(.cancelled, "cancelled") }

    /// The error for the system's error number of just now, with what to do about it.
    static func system(_ action: String, _ path: String, _ number: Int32 = errno) -> BlobError {
        let advice: String
        let code: Code
        switch number {
        case ENOSPC, EDQUOT, EFBIG: (code, advice) = (.noSpace, "; free some space on that disk")
        case EACCES, EPERM, EROFS: (code, advice) = (.storage, "; check the permissions")
        case ENOENT, ENOTDIR: (code, advice) = (.notFound, "; check the path")
        case EMFILE, ENFILE: (code, advice) = (.storage, "; raise the limit of open files (ulimit -n)")
        default: (code, advice) = (.storage, "")
        }
        return BlobError(code, "cannot \(action) \(path): \(String(cString: strerror(number)))\(advice)")
    }
}
