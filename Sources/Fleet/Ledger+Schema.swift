// SPDX-License-Identifier: Apache-2.0

import GRDB

extension Ledger {
    /// Every version the schema ever had.
    ///
    /// A migration that was released is never changed.
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 studies, trials, segments") { database in
            try database.execute(
                sql: """
                    CREATE TABLE studies (
                        id INTEGER PRIMARY KEY AUTOINCREMENT,
                        name TEXT NOT NULL UNIQUE,
                        yaml TEXT NOT NULL,
                        json TEXT NOT NULL,
                        base_folder TEXT NOT NULL,
                        trials INTEGER NOT NULL,
                        steps INTEGER NOT NULL,
                        segment_steps INTEGER NOT NULL,
                        state TEXT NOT NULL,
                        created INTEGER NOT NULL
                    );
                    CREATE TABLE trials (
                        study INTEGER NOT NULL REFERENCES studies (id),
                        trial INTEGER NOT NULL,
                        state TEXT NOT NULL,
                        step INTEGER NOT NULL,
                        attempt INTEGER NOT NULL,
                        crashes INTEGER NOT NULL,
                        failure TEXT NOT NULL,
                        PRIMARY KEY (study, trial)
                    ) WITHOUT ROWID;
                    CREATE TABLE segments (
                        study INTEGER NOT NULL,
                        trial INTEGER NOT NULL,
                        from_step INTEGER NOT NULL,
                        to_step INTEGER NOT NULL,
                        attempt INTEGER NOT NULL,
                        worker TEXT NOT NULL,
                        digest TEXT NOT NULL,
                        finished INTEGER NOT NULL,
                        best_loss REAL,
                        best_step INTEGER,
                        loss REAL,
                        cpu TEXT NOT NULL,
                        received INTEGER NOT NULL,
                        payload BLOB NOT NULL,
                        PRIMARY KEY (study, trial, from_step),
                        FOREIGN KEY (study, trial) REFERENCES trials (study, trial)
                    );
                    CREATE TABLE conflicts (
                        study INTEGER NOT NULL,
                        trial INTEGER NOT NULL,
                        from_step INTEGER NOT NULL,
                        to_step INTEGER NOT NULL,
                        attempt INTEGER NOT NULL,
                        worker TEXT NOT NULL,
                        digest TEXT NOT NULL,
                        cpu TEXT NOT NULL,
                        received INTEGER NOT NULL,
                        payload BLOB NOT NULL,
                        PRIMARY KEY (study, trial, from_step, digest),
                        FOREIGN KEY (study, trial) REFERENCES trials (study, trial)
                    );
                    """)
        }
        return migrator
    }
}
