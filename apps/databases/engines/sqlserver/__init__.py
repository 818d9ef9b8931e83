"""SQL Server for Django: mssql-django, with what it leaves open about connecting."""
