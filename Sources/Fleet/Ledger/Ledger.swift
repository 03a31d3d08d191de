// SPDX-License-Identifier: Apache-2.0

import Coordination
package import Foundation
import GRDB
import Synchronization

/// The coordinator's memory: one SQLite file in which everything is on disk before anyone is told of it.
///
/// WAL mode with full synchronization: a transaction that returned survives a power cut. One process writes (see `Home`).
package final class Ledger: Sendable {
    let database: DatabaseQueue
    let path: String
    /// Whether something waits for `commit`.
    private let staged = Atomic(false)

    /// Opens the ledger, makes or migrates its tables, and checks that the file is sound.
    ///
    /// - Throws: `FleetError` `.storage`, in one line that names the file.
    package init(at url: URL) throws(FleetError) {
        path = url.path
        var configuration = Configuration()
        configuration.label = "ledger"
        configuration.busyMode = .timeout(5)
        // A higher one asks the system for more than an ordinary user may have, which it says in the journal.
        configuration.qos = .default
        // A turn's transaction stays open between accesses: see `stage`.
        configuration.allowsUnsafeTransactions = true
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        }
        do {
            database = try DatabaseQueue(path: url.path, configuration: configuration)
            let finding = try database.read { try String.fetchOne($0, sql: "PRAGMA quick_check(1)") }
            guard finding == "ok" else { throw Self.damaged(url.path, finding ?? "no answer") }
            guard try !database.read(Self.migrator.hasBeenSuperseded) else {
                throw FleetError(.storage, "\(url.path): was written by a later release; install that one, or start with a new --home")
            }
            try Self.migrator.migrate(database)
            // A file that can be read but not written is of no use: say so now rather than at the first result.
            try database.write { try $0.execute(sql: "UPDATE studies SET id = id WHERE 0; PRAGMA user_version = 2") }
        } catch let error as FleetError {
            throw error
        } catch {
            throw Self.translate(error, path: url.path)
        }
    }

    /// Opens a ledger to read it, beside whoever writes it.
    package init(reading url: URL) throws(FleetError) {
        path = url.path
        var configuration = Configuration()
        configuration.label = "ledger, reading"
        configuration.busyMode = .timeout(5)
        configuration.qos = .default
        configuration.readonly = true
        do {
            database = try DatabaseQueue(path: url.path, configuration: configuration)
            guard try database.read(Self.migrator.appliedIdentifiers) == Set(Self.migrator.migrations) else {
                throw FleetError(
                    .storage,
                    "\(url.path): belongs to another release; start this one's coordinator there, or use the release that wrote it")
            }
        } catch {
            throw Self.translate(error, path: url.path)
        }
    }

    /// Makes a change that goes to disk with the next `commit`, together with all others since the last one.
    ///
    /// Whoever is told of the change has to be told after the commit. After an error nothing of the turn can be kept: `rollBack`.
    func stage<Value>(_ change: (Database) throws -> Value) throws(FleetError) -> Value {
        do {
            return try database.writeWithoutTransaction { database in
                if !database.isInsideTransaction { try database.beginTransaction(.immediate) }
                staged.store(true, ordering: .relaxed)
                return try change(database)
            }
        } catch {
            throw Self.translate(error, path: path)
        }
    }

    /// Whether something waits for `commit`.
    var hasStaged: Bool { staged.load(ordering: .relaxed) }

    /// Puts all staged changes on disk.
    func commit() throws(FleetError) {
        // Most turns of a loop change nothing, and asking the database costs two changes of threads.
        guard staged.exchange(false, ordering: .relaxed) else { return }
        do {
            try database.writeWithoutTransaction { database in
                if database.isInsideTransaction { try database.commit() }
            }
        } catch {
            throw Self.translate(error, path: path)
        }
    }

    /// Forgets all staged changes.
    func rollBack() {
        staged.store(false, ordering: .relaxed)
        try? database.writeWithoutTransaction { database in
            if database.isInsideTransaction { try database.rollback() }
        }
    }

    /// Runs one transaction that is on disk when this returns.
    func write<Value>(_ change: (Database) throws -> Value) throws(FleetError) -> Value {
        do { return try database.write(change) } catch { throw Self.translate(error, path: path) }
    }

    func read<Value>(_ query: (Database) throws -> Value) throws(FleetError) -> Value {
        do {
            // Guarding a read against writes makes SQLite parse every statement anew; whoever writes here reads alone anyway.
            return try database.configuration.readonly ? database.read(query) : database.unsafeRead(query)
        } catch {
            throw Self.translate(error, path: path)
        }
    }

    /// Moves the log into the main file and closes it.
    package func close() {
        try? database.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
        try? database.close()
    }

    // MARK: - Errors

    static func damaged(_ path: String, _ detail: String) -> FleetError {
        FleetError(.storage, "\(path): the ledger is damaged (\(detail)); bring it back from a backup, or start with a new --home")
    }

    private static func translate(_ error: any Error, path: String) -> FleetError {
        if let error = error as? FleetError { return error }
        guard let error = error as? DatabaseError else { return FleetError(.storage, "\(path): \(error)") }
        switch error.resultCode {
        case .SQLITE_FULL: return FleetError(.storage, "\(path): the disk is full; free some space, nothing that was accepted is lost")
        case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH:
            return FleetError(.storage, "\(path): cannot be written; make the file and its folder writable for this user")
        case .SQLITE_CANTOPEN: return FleetError(.storage, "\(path): cannot be opened; check the folder and its permissions")
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: return damaged(path, error.message ?? "not a database")
        case .SQLITE_BUSY, .SQLITE_LOCKED: return FleetError(.storage, "\(path): another program has it locked; close that one")
        case .SQLITE_IOERR:
            return FleetError(.storage, "\(path): the disk reports an error (\(error.extendedResultCode)); check the disk and its space")
        default: return FleetError(.storage, "\(path): \(error.message ?? "SQLite error") (\(error.extendedResultCode.rawValue))")
        }
    }
}

extension Database {
    /// Runs one statement, which is parsed the first time only.
    func run(sql: String, arguments: StatementArguments) throws { try cachedStatement(sql: sql).execute(arguments: arguments) }
}
