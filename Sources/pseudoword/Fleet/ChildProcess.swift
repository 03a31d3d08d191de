// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// Runs another program with bytes for its input and takes what it prints.
///
/// Foundation's `Process` with pipes lets children that start at the same moment inherit each other's; here none does.
enum ChildProcess {
    enum Input {
        case bytes([UInt8])
        /// The rest of an open file.
        case file(Int32)
    }

    struct Result {
        /// As a shell counts: 128 and the signal for one that was killed.
        let status: Int32
        let output: [UInt8]
        let errors: [UInt8]

        var outputText: String { String(decoding: output, as: UTF8.self) }

        /// The last line of the errors, for a message.
        var lastWords: String {
            let line = String(decoding: errors, as: UTF8.self).split(whereSeparator: \.isNewline).last { !$0.allSatisfy(\.isWhitespace) }
            let printable = line?.unicodeScalars.prefix(300).map { $0.value < 0x20 || $0.value == 0x7F ? " " : Character($0) } ?? []
            return String(printable).trimmingCharacters(in: .whitespaces)
        }
    }

    enum Failure: Error { case cannotStart(String), tookTooLong, interrupted }

    /// What is kept of either output; the rest is read and dropped.
    private static let maximumBytes = 8 << 20

    /// Runs `command` until it ends, `limit` seconds have passed or a stop signal came; then it is ended.
    static func run(_ command: [String], input: [Input] = [], limit: Double? = nil) throws(Failure) -> Result {
        guard let input = PipeWriter(input), let output = PipeReader(), let errors = PipeReader() else {
            throw .cannotStart("too many open files")
        }
        let process = try start(command, input: input.readEnd, output: output.writeEnd, errors: errors.writeEnd)
        for end in [input.readEnd, output.writeEnd, errors.writeEnd] { end.close() }
        let deadline = limit.map { DispatchTime.now() + $0 }
        var failure: Failure?
        while true {
            var status: Int32 = 0
            let ended = waitpid(process, &status, WNOHANG) == process
            // What a child left behind may hold the pipes open for ever, so its end is ours, too.
            output.read(into: maximumBytes)
            errors.read(into: maximumBytes)
            if ended {
                if let failure { throw failure }
                let code = status & 0x7F
                return Result(status: code == 0 ? (status >> 8) & 0xFF : 128 + code, output: output.bytes, errors: errors.bytes)
            }
            if failure == nil {
                if StopSignal.isReceived { failure = .interrupted }
                if let deadline, DispatchTime.now() > deadline { failure = .tookTooLong }
                if failure != nil { kill(process, SIGTERM) }
            }
            input.write()
            var waits = [output.wait, errors.wait] + (input.wait.map { [$0] } ?? [])
            poll(&waits, nfds_t(waits.count), 50)
        }
    }

    private static func start(
        _ command: [String], input: Descriptor, output: Descriptor, errors: Descriptor
    ) throws(Failure) -> pid_t {
        var actions = posix_spawn_file_actions_t(), attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_adddup2(&actions, input.number, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output.number, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, errors.number, STDERR_FILENO)
        // Ctrl-C is ours to hear; we end the children.
        var none = sigset_t(), all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        var arguments = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var process: pid_t = 0
        let code = posix_spawnp(&process, command[0], &actions, &attributes, &arguments, environ)
        guard code == 0 else { throw .cannotStart("\(command[0]): \(String(cString: strerror(code)))") }
        return process
    }
}

/// An open file that is closed once, at the latest when nobody knows it any more.
final class Descriptor {
    let number: Int32
    private var isOpen = true

    init(_ number: Int32) { self.number = number }

    func close() {
        if isOpen { Glibc.close(number) }
        isOpen = false
    }

    deinit { close() }

    /// Two ends that no child inherits unless told, ours not blocking.
    ///
    /// A pair of sockets and no pipe: writing to one that nobody reads is an error, and no signal that ends the program.
    static func pair() -> (ours: Descriptor, theirs: Descriptor)? {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else { return nil }
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        return (Descriptor(ends[0]), Descriptor(ends[1]))
    }
}

/// What a child prints.
private final class PipeReader {
    let writeEnd: Descriptor
    private let readEnd: Descriptor
    private(set) var bytes: [UInt8] = []
    private var isAtEnd = false

    init?() {
        guard let (ours, theirs) = Descriptor.pair() else { return nil }
        (readEnd, writeEnd) = (ours, theirs)
    }

    var wait: pollfd { pollfd(fd: isAtEnd ? -1 : readEnd.number, events: Int16(POLLIN), revents: 0) }

    /// Takes all that is there, and keeps up to `limit` bytes.
    func read(into limit: Int) {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while !isAtEnd {
            let count = Glibc.read(readEnd.number, &buffer, buffer.count)
            if count > 0 {
                bytes += buffer.prefix(min(count, max(0, limit - bytes.count)))
            } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
                isAtEnd = true
            } else if errno == EAGAIN {
                return
            }
        }
    }
}

/// What a child is given to read.
private final class PipeWriter {
    let readEnd: Descriptor
    private let writeEnd: Descriptor
    private var inputs: ArraySlice<ChildProcess.Input>
    private var waiting: ArraySlice<UInt8> = []
    private var isDone = false

    init?(_ inputs: [ChildProcess.Input]) {
        guard let (ours, theirs) = Descriptor.pair() else { return nil }
        (readEnd, writeEnd, self.inputs) = (theirs, ours, inputs[...])
    }

    var wait: pollfd? { isDone ? nil : pollfd(fd: writeEnd.number, events: Int16(POLLOUT), revents: 0) }

    /// Gives as much as the pipe takes; closes it at the end.
    func write() {
        while !isDone {
            if waiting.isEmpty, !takeNext() {
                isDone = true
                writeEnd.close()
                return
            }
            let count = waiting.withUnsafeBytes { send(writeEnd.number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count > 0 {
                waiting = waiting.dropFirst(count)
            } else if errno == EAGAIN {
                return
            } else if errno != EINTR {
                // The child reads no more; its status says why.
                inputs = []
                waiting = []
            }
        }
    }

    /// Fetches the next bytes; false when there are none.
    private func takeNext() -> Bool {
        while let next = inputs.first {
            switch next {
            case .bytes(let bytes):
                inputs = inputs.dropFirst()
                waiting = bytes[...]
            case .file(let descriptor):
                var buffer = [UInt8](repeating: 0, count: 1 << 18)
                let count = read(descriptor, &buffer, buffer.count)
                if count <= 0 { inputs = inputs.dropFirst() } else { waiting = buffer[..<count] }
            }
            if !waiting.isEmpty { return true }
        }
        return false
    }
}
