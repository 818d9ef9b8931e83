{
 "method": "GET",
 "url": "$site",
 "sent": "",
 "status": 200,
 "headers": [
  [
   "Content-Type",
   "text/html; charset=utf-8"
  ]
 ],
 "body": "../pages/list.html"
}
