"""Web captures made elsewhere (WACZ, WARC, MHTML, HAR): judged, then recorded as they are."""
