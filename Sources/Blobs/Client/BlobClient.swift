// SPDX-License-Identifier: Apache-2.0
import Synchronization
package import ZeroMQ

/// How a blob client behaves.
package struct BlobClientOptions: Sendable {
    package var socket = SocketOptions.blobs
    /// Name and version, for people.
    package var program = "pseudoword"
    /// How many bytes may be on their way to each transfer; the server may allow less.
    package var windowBytes = 16 << 20
    /// After so much silence about something that was asked for, the connection is made anew.
    package var silence: Duration = .seconds(20)
    /// How long to look for the server before giving up; nil for as long as the caller does not cancel.
    package var patience: Duration? = .seconds(60)

    package init() {}
}

/// How far a transfer is.
package struct BlobProgress: Sendable, Hashable {
    package var blobs = 0
    package var totalBlobs = 0
    /// Also what was here before.
    package var bytes: Int64 = 0
    /// As far as the sizes are known.
    package var totalBytes: Int64 = 0
    /// What really travelled.
    package var transferredBytes: Int64 = 0
    package var bytesPerSecond: Double = 0
}

/// Fetches blobs from a server and puts blobs there.
///
/// It keeps one connection, on a thread of its own, and makes it anew when it is lost. `fetch` and `put` work on the thread that calls
/// them, which may be any, also several at once; whatever arrives waits for that thread, and no more is asked for until it is written.
package final class BlobClient: Sendable {
    let options: BlobClientOptions
    let loop: SocketLoop<BlobClientHandler>
    /// Hellos have the numbers below.
    private let requests = Atomic<UInt64>(1 << 32)

    package init(endpoint: Endpoint, options: BlobClientOptions = BlobClientOptions()) {
        self.options = options
        loop = SocketLoop(name: "blob client", tickInterval: .milliseconds(20)) { context in
            try BlobClientHandler(endpoint, options, &context)
        }
    }

    /// Starts to connect and returns at once.
    package func start() throws {
        BlobMemory.keepFreedPieces()
        try loop.start()
    }

    /// Ends the connection; transfers under way throw `.cancelled`.
    package func stop() { loop.stop() }

    /// Brings blobs into a store; those that it has are only checked.
    ///
    /// A blob that is half there is gone on with, also after a restart. Several go at once. What is fetched may be removed to make
    /// room for other things unless it is pinned, so pin first.
    ///
    /// - Parameters:
    ///   - progress: called on this thread, a few times a second and at the end.
    ///   - isCancelled: asked on this thread, at least ten times a second but for syncing a large file.
    /// - Throws: `.notFound` when the server lacks one, `.wrongBytes` when it sends others, `.noSpace`, `.storage`, `.unreachable`,
    ///   `.refused`, `.cancelled`. What has arrived stays for the next try.
    package func fetch(
        _ wishes: [BlobWish], into store: BlobStore, progress: (BlobProgress) -> Void = { _ in }, isCancelled: () -> Bool = { false }
    ) throws(BlobError) {
        try withoutActuallyEscaping(progress) { progress throws(BlobError) in
            try withoutActuallyEscaping(isCancelled) { isCancelled throws(BlobError) in
                let connection = BlobConnection(self, isCancelled: isCancelled, progress: progress)
                defer { connection.close() }
                try FetchTransfer(wishes, store: store, connection).run()
            }
        }
    }

    /// Gives blobs to the server; those that it has are not sent.
    ///
    /// When this returns they are on the server's disk.
    ///
    /// - Throws: `.refused`, `.tooBig`, `.noSpace` (on the server), `.wrongBytes` or `.changed` for a file that changed,
    ///   `.unreachable`, `.cancelled`. What has arrived stays for the next try.
    package func put(
        _ offers: [BlobOffer], progress: (BlobProgress) -> Void = { _ in }, isCancelled: () -> Bool = { false }
    ) throws(BlobError) {
        try withoutActuallyEscaping(progress) { progress throws(BlobError) in
            try withoutActuallyEscaping(isCancelled) { isCancelled throws(BlobError) in
                let connection = BlobConnection(self, isCancelled: isCancelled, progress: progress)
                defer { connection.close() }
                try PutTransfer(offers, connection).run()
            }
        }
    }

    func nextRequest() -> UInt64 { requests.add(1, ordering: .relaxed).newValue }
}

/// One transfer's end of the connection, and what all transfers have in common: patience, silence, progress.
final class BlobConnection {
    private static let progressInterval: Duration = .milliseconds(200)

    let client: BlobClient
    let isCancelled: () -> Bool
    private let report: (BlobProgress) -> Void
    private let inbox = BlobInbox()
    private let started = ContinuousClock.now
    private var heard = ContinuousClock.now
    private var answered = ContinuousClock.now
    private var reported = ContinuousClock.now
    private var failure = BlobError(.unreachable, "nothing was heard of it")
    private(set) var welcome: BlobWelcome?
    var progress = BlobProgress()

    init(_ client: BlobClient, isCancelled: @escaping () -> Bool, progress: @escaping (BlobProgress) -> Void) {
        self.client = client
        self.isCancelled = isCancelled
        report = progress
        let isRunning = client.loop.post { [inbox] handler, _ in handler.join(inbox) }
        if !isRunning { inbox.put(.failed(BlobError(.cancelled, "the blob client does not run"))) }
    }

    func close() { client.loop.post { [inbox] handler, _ in handler.leave(inbox) } }

    /// Sends a request under a new number, or one that belongs to an older one.
    @discardableResult
    func ask(_ request: BlobRequest, id: UInt64? = nil) -> UInt64 {
        let id = id ?? client.nextRequest()
        client.loop.post { [inbox] handler, context in handler.ask(request, id, inbox, &context) }
        return id
    }

    enum News {
        case ready(BlobWelcome)
        /// All that was asked for has to be asked for again.
        case lost
        case reply(UInt64, BlobReply)
    }

    /// What has happened since the last time; waits a little for it.
    ///
    /// - Parameter isWaiting: whether anything was asked for that has not come.
    /// - Throws: `.cancelled`, `.unreachable`, and what can never be made good.
    func news(isWaiting: Bool) throws(BlobError) -> [News] {
        guard !isCancelled() else { throw .cancelled }
        var news: [News] = []
        for event in inbox.take(waiting: .milliseconds(50)) {
            heard = .now
            switch event {
            case .ready(let welcome):
                self.welcome = welcome
                news.append(.ready(welcome))
            case .lost(let error):
                failure = error
                // Being told once more that nobody answers is no sign of life.
                if welcome == nil { continue }
                welcome = nil
                news.append(.lost)
            case .reply(let id, let reply):
                answered = .now
                news.append(.reply(id, reply))
            case .failed(let error): throw error
            }
        }
        let now = ContinuousClock.now
        if welcome != nil, isWaiting, now - heard > client.options.silence {
            heard = now
            failure = BlobError(.unreachable, "it does not answer")
            client.loop.post { handler, context in handler.reconnect("the blob server fell silent", &context) }
        }
        // A server that welcomes us again and again and never answers is none.
        if welcome != nil, !isWaiting { answered = now }
        if let patience = client.options.patience, now - answered > patience {
            throw BlobError(failure.code, "the blob server cannot be reached: \(failure.message)")
        }
        if now - reported > Self.progressInterval { reportProgress() }
        return news
    }

    func reportProgress() {
        reported = .now
        let (seconds, attoseconds) = (reported - started).components
        let elapsed = Double(seconds) + Double(attoseconds) * 1e-18
        progress.bytesPerSecond = elapsed > 0 ? Double(progress.transferredBytes) / elapsed : 0
        report(progress)
    }
}
