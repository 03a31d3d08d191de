// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// How many files and connections this process may have open at once.
package enum DescriptorLimit {
    /// Fewer than these are not enough for a program that listens.
    static let fewest = 256

    private static let raised: Int = {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit) == 0 else { return 1024 }
        if limit.rlim_cur < limit.rlim_max {
            var wanted = rlimit(rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max)
            if setrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &wanted) == 0 { limit = wanted }
        }
        return Int(clamping: limit.rlim_cur)
    }()

    /// Raises the limit as far as the system allows, and says what it is now.
    ///
    /// Every connection is one. A program that listens does this by itself at its first socket.
    @discardableResult
    package static func raise() -> Int { raised }

    /// How many descriptors are kept from new connections, for files and for connections that are on their way already.
    static var reserve: Int { min(raised / 4, 4096) }

    static func check() throws(SocketError) {
        guard raised < fewest else { return }
        throw SocketError(
            .system(EMFILE), "this process may open only \(raised) files and connections; allow at least 1024 (ulimit -n 1024)")
    }
}
