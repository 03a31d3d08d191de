// SPDX-License-Identifier: Apache-2.0

/// How a command ends; scripts rely on the numbers.
enum ExitStatus: Int32 {
    case done = 0, failed = 1, usage = 2, unreachable = 3, refused = 4, notFound = 5, degraded = 6, interrupted = 130, timedOut = 124
}

/// A failure that the user sees as one line on standard error.
struct CommandLineError: Error, CustomStringConvertible {
    let status: ExitStatus
    let description: String

    init(_ description: String) { self.init(.failed, description) }

    init(_ status: ExitStatus, _ description: String) {
        self.status = status
        self.description = description
    }
}
